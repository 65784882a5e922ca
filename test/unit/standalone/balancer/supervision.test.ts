import fc from 'fast-check';
import {
  InvokerSupervision,
  type InvokerState,
  type Outcome,
  SILENCE_MAX_MS,
  TEST_INTERVAL_MS,
} from '../../../../standalone/src/controller/balancer/supervision';

type Event = 'ping' | 'disabled-ping' | 'success' | 'system-error' | 'timeout' | 'silence' | 'minute';
interface Expected {
  state: InvokerState;
  /** Is a health test sent? */
  test: boolean;
}

/** From each state, with an outcome buffer that the way there has left. */
const TABLE: Record<InvokerState, Record<Event, Expected>> = {
  unhealthy: {
    ping: { state: 'unhealthy', test: false },
    'disabled-ping': { state: 'offline', test: false },
    success: { state: 'healthy', test: true },
    'system-error': { state: 'unhealthy', test: false },
    timeout: { state: 'unresponsive', test: true },
    silence: { state: 'offline', test: false },
    minute: { state: 'unhealthy', test: true },
  },
  unresponsive: {
    ping: { state: 'unresponsive', test: false },
    'disabled-ping': { state: 'offline', test: false },
    success: { state: 'healthy', test: false },
    'system-error': { state: 'unhealthy', test: true },
    timeout: { state: 'unresponsive', test: false },
    silence: { state: 'offline', test: false },
    minute: { state: 'unresponsive', test: true },
  },
  healthy: {
    ping: { state: 'healthy', test: false },
    'disabled-ping': { state: 'offline', test: false },
    success: { state: 'healthy', test: false },
    'system-error': { state: 'unhealthy', test: true },
    timeout: { state: 'unresponsive', test: true },
    silence: { state: 'offline', test: false },
    minute: { state: 'healthy', test: false },
  },
  offline: {
    ping: { state: 'unhealthy', test: true },
    'disabled-ping': { state: 'offline', test: false },
    success: { state: 'offline', test: false },
    'system-error': { state: 'offline', test: false },
    timeout: { state: 'offline', test: false },
    silence: { state: 'offline', test: false },
    minute: { state: 'offline', test: false },
  },
};

function inState(state: InvokerState): InvokerSupervision {
  const supervision = new InvokerSupervision('unhealthy', 0);
  if (state === 'healthy') supervision.completion('success', 0);
  if (state === 'unresponsive') supervision.completion('timeout', 0);
  if (state === 'offline') supervision.ping(false, 0);
  return supervision;
}

function apply(supervision: InvokerSupervision, event: Event): boolean {
  switch (event) {
    case 'ping':
      return supervision.ping(true, 1);
    case 'disabled-ping':
      return supervision.ping(false, 1);
    case 'silence':
      return supervision.tick(SILENCE_MAX_MS);
    case 'minute': {
      if (supervision.state !== 'offline') supervision.ping(true, TEST_INTERVAL_MS - 1);
      return supervision.tick(TEST_INTERVAL_MS);
    }
    case 'success':
    case 'system-error':
    case 'timeout':
      return supervision.completion(event, 1);
  }
}

describe('InvokerSupervision', () => {
  for (const [from, row] of Object.entries(TABLE) as [InvokerState, Record<Event, Expected>][]) {
    for (const [event, expected] of Object.entries(row) as [Event, Expected][]) {
      it(`goes from ${from} to ${expected.state} on ${event}, ${expected.test ? 'with' : 'without'} a health test`, () => {
        const supervision = inState(from);
        expect(supervision.state).toBe(from);
        const test = apply(supervision, event);
        expect({ state: supervision.state, test }).toEqual(expected);
      });
    }
  }

  const after = (outcomes: Outcome[]): InvokerState => {
    const supervision = new InvokerSupervision('unhealthy', 0);
    for (const outcome of outcomes) supervision.completion(outcome, 0);
    return supervision.state;
  };
  const many = (outcome: Outcome, count: number): Outcome[] => Array.from({ length: count }, () => outcome);

  it('tolerates three errors among its last ten outcomes once it has more than three', () => {
    expect(after([...many('success', 7), ...many('system-error', 3)])).toBe('healthy');
    expect(after([...many('success', 6), ...many('system-error', 4)])).toBe('unhealthy');
    expect(after([...many('success', 6), ...many('timeout', 4)])).toBe('unresponsive');
  });

  it('returns to healthy only when its errors have left the buffer', () => {
    const errors = many('system-error', 4);
    expect(after([...many('success', 6), ...errors, ...many('success', 6)])).toBe('unhealthy');
    expect(after([...many('success', 6), ...errors, ...many('success', 7)])).toBe('healthy');
  });

  it('counts an ack as a sign of life', () => {
    const supervision = inState('healthy');
    supervision.completion('success', 9_000);
    supervision.tick(SILENCE_MAX_MS);
    expect(supervision.state).toBe('healthy');
  });

  it('is never healthy with more than three errors of a kind in its buffer', () => {
    const outcome = fc.constantFrom<Outcome>('success', 'system-error', 'timeout');
    fc.assert(
      fc.property(fc.array(outcome, { minLength: 1, maxLength: 60 }), (outcomes) => {
        const supervision = new InvokerSupervision('unhealthy', 0);
        outcomes.forEach((each, index) => {
          supervision.completion(each, 0);
          const last = outcomes.slice(Math.max(0, index - 9), index + 1);
          const errors = Math.max(
            ...(['system-error', 'timeout'] as const).map((kind) => last.filter((one) => one === kind).length),
          );
          if (supervision.state === 'healthy') expect(errors).toBeLessThanOrEqual(3);
        });
      }),
    );
  });
});
