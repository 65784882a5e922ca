/** Each of the doctor's checks is made to fail once, and is the only one that then says that something is wrong. */
import { readConfig } from '@tetris/common';
import { CHECKS, type CheckName, examine, type Facts, report } from '@tetris/doctor';
import { invokerConfig } from '@tetris/invoker-extension';
import { balancerConfig } from '@tetris/load-balancer';
import { DAEMON_CONFIG } from '@tetris/tensor-daemon';

const GIB = 1024 ** 3;
const SPI = 'org.apache.openwhisk.core';
const IMAGE = { prefix: 'tetris', name: 'action-nodejs-tetris', tag: '0.1.0' };
const manifestWith = (image: object): string =>
  JSON.stringify({ runtimes: { nodejs: [{ kind: 'nodejs:20' }, { kind: 'nodejs:tetris', image }] } });

const CONTROLLER = {
  CONFIG_whisk_spi_LoadBalancerProvider: `${SPI}.loadBalancer.ShardingContainerPoolBalancer`,
  CONFIG_whisk_spi_EntitlementSpiProvider: `${SPI}.entitlement.LocalEntitlementProvider`,
  CONFIG_whisk_memory_max: '512 m',
  CONFIG_whisk_timeLimit_max: '5 m',
  CONFIG_whisk_concurrencyLimit_max: '64',
  RUNTIMES_MANIFEST: manifestWith(IMAGE),
};
const STOCK_INVOKER = {
  CONFIG_whisk_spi_InvokerProvider: `${SPI}.invoker.InvokerReactive`,
  CONFIG_whisk_spi_InvokerServerProvider: `${SPI}.invoker.DefaultInvokerServer`,
  CONFIG_whisk_kafka_topics_prefix: 'tetris-',
  RUNTIMES_MANIFEST: manifestWith(IMAGE),
};
const DAEMON = readConfig(DAEMON_CONFIG, {
  TETRIS_DAEMON_STORE_PATH: '/var/lib/tetris/store',
  TETRIS_DAEMON_SOCKET_PATH: '/run/tetris/instance/daemon.sock',
  TETRIS_DAEMON_OPERATOR_SOCKET_PATH: '/run/tetris/operator/daemon.sock',
});
const INVOKER = readConfig(invokerConfig, {
  TETRIS_INVOKER_DOCKER_IMAGE: 'tetris/action-nodejs-tetris:0.1.0',
  TETRIS_INVOKER_MEMORY: '16g',
});
const BALANCER = readConfig(balancerConfig, {});
const READY = { value: { version: '0.1.0', state: 'ready' as const } };
const CONTAINER = {
  onnxruntime: '1.30.0',
  cpu: 'x64-1',
  daemon: 'ready',
  viewsDevice: 7,
  viewsWritable: false,
  viewsListable: false,
};
const TOPICS = new Map([
  ['health', 1_048_588],
  ['tetris-health', 1_048_588],
  ['completed0', 1_054_644],
  ['invoker0', 1_054_644],
  ['tetris-completed0', 2_097_152],
  ['tetris-invoker0', 2_097_152],
  ['tetris-invoker1', 1_054_644],
  ['other', 1],
]);

/** A cluster in which nothing is wrong. */
const SOUND: Facts = {
  settings: { value: { daemon: DAEMON, invoker: INVOKER, balancer: BALANCER } },
  memoryBytes: 32 * GIB,
  storeMount: { value: { path: '/var/lib/tetris/store', fileSystem: 'tmpfs', bytes: 16 * GIB } },
  instanceSocket: READY,
  operatorSocket: READY,
  platform: { value: { onnxruntime: '1.30.0', cpu: 'x64-1' } },
  viewsDevice: { value: 7 },
  container: { value: CONTAINER },
  topics: { value: TOPICS },
  registry: { value: { aheadMs: 3, nodesAheadMs: new Map([['node0', -900]]) } },
  couch: { value: '{}' },
  etcd: [{ host: '10.0.0.1:2379', answer: { value: '{"health":"true"}' } }],
  controller: { value: CONTROLLER },
  stockInvoker: { value: STOCK_INVOKER },
};

const GONE = { problem: 'connect ECONNREFUSED' };
const container = (seen: Partial<typeof CONTAINER>): Partial<Facts> => ({
  container: { value: { ...CONTAINER, ...seen } },
});
const controller = (set: Record<string, string>): Partial<Facts> => ({
  controller: { value: { ...CONTROLLER, ...set } },
});
const topics = (change: (all: Map<string, number>) => void): Partial<Facts> => {
  const all = new Map(TOPICS);
  change(all);
  return { topics: { value: all } };
};
const settings = (daemon: object, invoker: object = {}, balancer: object = {}): Partial<Facts> => ({
  settings: {
    value: {
      daemon: { ...DAEMON, ...daemon },
      invoker: { ...INVOKER, ...invoker },
      balancer: { ...BALANCER, ...balancer },
    },
  },
});
const mount = (seen: object): Partial<Facts> => ({
  storeMount: { value: { path: '/var/lib/tetris/store', fileSystem: 'tmpfs', bytes: 16 * GIB, ...seen } },
});

/** What is wrong, the check that must say so, and a part of how it names it and of the cure. */
const MISTAKES: [string, Partial<Facts>, CheckName, RegExp, RegExp][] = [
  [
    'a misspelt variable',
    { settings: { problem: 'TETRIS_DAEMON_X: no such key' } },
    'settings',
    /DAEMON_X/,
    /configuration/,
  ],
  [
    'a store that is not mounted',
    mount({ path: '/', fileSystem: 'ext4' }),
    'store-mount',
    /plain folder of \//,
    /mount a tmpfs/,
  ],
  ['a store that is not there', { storeMount: { problem: 'ENOENT' } }, 'store-mount', /ENOENT/, /mount a tmpfs/],
  ['a store on a disk', mount({ fileSystem: 'ext4' }), 'store-mount', /ext4/, /mount a tmpfs/],
  ['a store larger than memory', mount({ bytes: 32 * GIB }), 'store-size', /32\.0 GiB of 32\.0 GiB/, /store_size/],
  ['a budget above its file system', settings({ storeBytesMax: 20 * GIB }), 'store-size', /20\.0 GiB/, /BYTES_MAX/],
  ['more for instances than there is', settings({}, { memory: 40 * GIB }), 'store-size', /40\.0 GiB/, /INVOKER_MEMORY/],
  ['a daemon that is away', { instanceSocket: GONE }, 'daemon-sockets', /instance\/daemon\.sock: connect/, /systemctl/],
  [
    'sockets in one folder',
    settings({ operatorSocketPath: '/run/tetris/instance/o.sock' }),
    'daemon-sockets',
    /one folder/,
    /own/,
  ],
  [
    'a container without the socket',
    container({ daemon: 'connect ENOENT' }),
    'container-socket',
    /ENOENT/,
    /\/run\/tetris/,
  ],
  [
    'an engine without the image',
    { container: { problem: 'No such image' } },
    'container-socket',
    /No such image/,
    /docker images/,
  ],
  ['a container without views', container({ viewsDevice: 0 }), 'container-views', /no \/tetris\/views/, /read-only/],
  [
    'views from before the mount',
    container({ viewsDevice: 6 }),
    'container-views',
    /another file system/,
    /before the mount/,
  ],
  ['views that can be written', container({ viewsWritable: true }), 'container-views', /may write/, /:ro/],
  ['views that can be listed', container({ viewsListable: true }), 'container-views', /list/, /DAC_OVERRIDE/],
  ['another onnxruntime', container({ onnxruntime: '1.29.0' }), 'onnxruntime', /1\.30\.0.*1\.29\.0/, /one version/],
  ['another CPU', container({ cpu: 'arm64-2' }), 'cpu-features', /x64-1.*arm64-2/, /CPU_INFO_PATH/],
  ['brokers that are away', { topics: GONE }, 'kafka', /ECONNREFUSED/, /kafkaBrokers/],
  [
    'controllers with a prefix',
    controller({ CONFIG_whisk_kafka_topics_prefix: 'ow-' }),
    'topic-prefix',
    /'ow-'/,
    /CONTROLLER_PREFIX/,
  ],
  [
    'both sides on one prefix',
    settings({}, {}, { controllerPrefix: 'tetris-' }),
    'topic-prefix',
    /both sides/,
    /INVOKER_PREFIX/,
  ],
  ['an invoker elsewhere', settings({}, { topicPrefix: 'x-' }), 'topic-prefix', /'x-'/, /INVOKER_TOPIC_PREFIX/],
  [
    'no topic of health',
    topics((all) => all.delete('tetris-health')),
    'topics',
    /tetris-health/,
    /start the load balancer/,
  ],
  [
    'a short topic',
    topics((all) => all.set('tetris-invoker0', 1_000_000)),
    'topic-size',
    /tetris-invoker0/,
    /max\.message\.bytes/,
  ],
  ['a gap in the ids', topics((all) => all.set('tetris-invoker4', 2_097_152)), 'invoker-ids', /2, 3/, /without a gap/],
  ['Redis that is away', { registry: GONE }, 'redis', /ECONNREFUSED/, /redisUrl/],
  [
    'a clock that is off',
    { registry: { value: { aheadMs: 0, nodesAheadMs: new Map([['n1', 9_000]]) } } },
    'clock',
    /n1 is off/,
    /chrony/,
  ],
  ['CouchDB that is away', { couch: GONE }, 'couch', /ECONNREFUSED/, /couchUrl/],
  ['etcd that is away', { etcd: [{ host: 'e:1', answer: GONE }] }, 'etcd', /e:1/, /start it/],
  [
    'the new scheduler',
    controller({ CONFIG_whisk_spi_LoadBalancerProvider: '' }),
    'spi-classes',
    /unset/,
    /ShardingContainerPoolBalancer/,
  ],
  [
    'limits above ours',
    controller({ CONFIG_whisk_memory_max: '1 g' }),
    'limits',
    /memory_max=1 g/,
    /MEMORY_MAX_MB to 1024/,
  ],
  [
    'times above ours',
    controller({ CONFIG_whisk_timeLimit_max: '10 m' }),
    'limits',
    /timeLimit_max/,
    /TIMEOUT_MAX_MS to 600000/,
  ],
  [
    'unlike manifests',
    controller({ RUNTIMES_MANIFEST: manifestWith({ ...IMAGE, tag: '9' }) }),
    'manifest',
    /unlike/,
    /runtimes-manifest/,
  ],
  [
    'no kind',
    controller({ RUNTIMES_MANIFEST: '{"runtimes":{}}' }),
    'manifest',
    /lacks nodejs:tetris/,
    /runtimes-manifest/,
  ],
  [
    'another image',
    settings({}, { dockerImage: 'tetris/action-nodejs-tetris:latest' }),
    'manifest',
    /latest/,
    /image_tag/,
  ],
];

describe('the doctor', () => {
  it('finds nothing wrong where nothing is', () => {
    expect(examine(SOUND).filter(({ status }) => status !== 'well')).toEqual([]);
  });

  it.each(MISTAKES)(
    'expected failure: names %s, how to mend it, and nothing else',
    (_name, facts, check, found, mend) => {
      const wrong = examine({ ...SOUND, ...facts }).filter(({ status }) => status === 'wrong');
      expect(wrong.map((finding) => finding.check)).toEqual([check]);
      expect(wrong[0]?.found).toMatch(found);
      expect(wrong[0]?.mend).toMatch(mend);
    },
  );

  it('has a mistake for each of its checks', () => {
    expect(new Set(MISTAKES.map(([, , check]) => check))).toEqual(new Set(Object.keys(CHECKS)));
  });

  it('skips what it was not told of, and says what to tell', () => {
    const findings = examine({ settings: { value: {} }, memoryBytes: GIB });
    expect(findings.map(({ status }) => status)).toEqual([
      'well',
      ...Array<string>(findings.length - 1).fill('skipped'),
    ]);
    for (const { found } of findings.slice(1)) expect(found).toMatch(/--\w+|not mounted|not asked/);
  });

  it('reports for people: how many are wrong, and how each is mended', () => {
    const text = report(examine({ ...SOUND, couch: GONE }));
    expect(text).toMatch(/WRONG couch .*ECONNREFUSED\n.*\n\s+To mend it: /);
    expect(text).toContain(`1 wrong, 0 not looked at, of ${Object.keys(CHECKS).length}`);
  });
});
