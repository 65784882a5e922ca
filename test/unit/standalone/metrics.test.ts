import { mayRead, mergeExpositions } from '../../../standalone/src/metrics';

const NODE = `# HELP up Whether it is up
# TYPE up gauge
up 1
up{state="a {b}"} 2

# HELP wait_seconds Wait
# TYPE wait_seconds histogram
wait_seconds_bucket{le="+Inf"} 3
wait_seconds_sum 0.5
wait_seconds_count 3
`;

describe('mergeExpositions', () => {
  it('describes a metric of several components once, with their samples together', () => {
    const merged = mergeExpositions([
      { labels: { node: 'node0' }, text: NODE },
      { labels: { node: 'node1' }, text: '# HELP up Whether it is up\n# TYPE up gauge\nup 0\n' },
      { labels: {}, text: '# HELP all All\n# TYPE all counter\nall{of="x"} 7\n' },
    ]);
    expect(merged).toBe(`# HELP up Whether it is up
# TYPE up gauge
up{node="node0"} 1
up{node="node0",state="a {b}"} 2
up{node="node1"} 0

# HELP wait_seconds Wait
# TYPE wait_seconds histogram
wait_seconds_bucket{node="node0",le="+Inf"} 3
wait_seconds_sum{node="node0"} 0.5
wait_seconds_count{node="node0"} 3

# HELP all All
# TYPE all counter
all{of="x"} 7
`);
  });

  it('is empty without components', () => {
    expect(mergeExpositions([])).toBe('');
  });
});

describe('mayRead', () => {
  it.each([
    ['loopback', '127.0.0.1', true],
    ['loopback', '127.8.0.1', true],
    ['loopback', '::1', true],
    ['loopback', '::ffff:127.0.0.1', true],
    ['loopback', '10.0.0.127', false],
    ['loopback', '::ffff:10.0.0.1', false],
    ['anyone', '10.0.0.1', true],
    ['off', '127.0.0.1', false],
  ] as const)('is told %s: for %s it is %p', (readers, address, expected) => {
    expect(mayRead(readers, address)).toBe(expected);
  });
});
