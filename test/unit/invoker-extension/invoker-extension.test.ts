import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import {
  type ActivationMessage,
  type Activation,
  FolderDocuments,
  MESSAGE_BYTES_MAX,
  type StoreTotals,
  TOPIC_SETTINGS,
  valueOf,
} from '@tetris/common';
import { ProfileArchive } from '../../../invoker-extension/src/profiles/archive';
import type { InvokerParts } from '../../../invoker-extension/src/invoker-extension';
import { aMessage, answered, aStoredAction, type Behaviour, echo, FakeFactory } from '../../support/invoker';
import { type BenchOptions, InvokerBench } from '../../support/invoker-bench';
import { until } from '../../support/until';

const benches: InvokerBench[] = [];
const folders: string[] = [];

async function bench(options: Partial<BenchOptions> = {}): Promise<InvokerBench & { factory: FakeFactory }> {
  const factory = (options.factory ?? new FakeFactory()) as FakeFactory;
  const made = new InvokerBench({ actions: [aStoredAction()], ...options, factory });
  benches.push(made);
  await made.start();
  return Object.assign(made, { factory });
}

afterEach(async () => {
  for (const made of benches.splice(0)) await made.extension.stop();
});
afterAll(() => folders.forEach((path) => rmSync(path, { recursive: true, force: true })));

const noLogs = aStoredAction({ limits: { timeout: 10_000, memory: 256, logs: 0, concurrency: 1 } });

/** Answers `/run` as told, with sentinels; `/init` is ready. */
const runs =
  (reply: ReturnType<typeof answered>): Behaviour =>
  (path, body, container) => {
    if (path === '/init') return answered(200, {});
    container.sentinels(String(body.activation_id));
    return reply;
  };

describe('acks of an activation that ran', () => {
  const CASES: [string, boolean, boolean, string[]][] = [
    ['blocking with logs', true, true, ['result', 'completion']],
    ['blocking without logs', true, false, ['combined']],
    ['non-blocking with logs', false, true, ['completion']],
    ['non-blocking without logs', false, false, ['completion']],
  ];

  it.each(CASES)('are, when it is %s, of the types that stock sends', async (_name, blocking, logs, types) => {
    const subject = await bench({ actions: [logs ? aStoredAction() : noLogs] });
    const message = aMessage({ blocking, content: { a: 1 } });
    await subject.send(message);
    await subject.freed(1);
    expect(subject.types()).toEqual(types);
    for (const ack of subject.acks) expect(ack.transid).toEqual(message.transid);
    expect(subject.acks.at(-1)).toMatchObject({
      isSystemError: false,
      instance: { instance: 0, tags: [], dedicatedNamespaces: [] },
    });
    if (blocking)
      expect(subject.acks[0]?.response).toMatchObject({ response: { statusCode: 0, result: { a: 1 } }, logs: [] });
    expect(subject.records).toHaveLength(1);
  });

  it('carry the annotations of stock, cold with and warm without initTime', async () => {
    const subject = await bench();
    const cause = 'c'.repeat(32);
    await subject.send(
      aMessage({ cause, action: { path: 'guest', name: 'classify', version: '0.0.3', binding: 'guest/bound' } }),
    );
    await subject.freed(1);
    await subject.send(aMessage());
    await subject.freed(2);
    const [cold, warm] = subject.records as [Activation, Activation];
    const keys = (activation: Activation): string[] => activation.annotations.map(({ key }) => key).sort();
    expect(keys(cold)).toEqual(['binding', 'causedBy', 'initTime', 'kind', 'limits', 'path', 'timeout', 'waitTime']);
    expect(keys(warm)).toEqual(['kind', 'limits', 'path', 'timeout', 'waitTime']);
    expect(cold).toMatchObject({ cause, namespace: 'guest', name: 'classify', version: '0.0.3', publish: false });
    expect(valueOf(cold.annotations, 'binding')).toBe('guest/bound');
    expect(valueOf(cold.annotations, 'causedBy')).toBe('sequence');
    expect(valueOf(cold.annotations, 'limits')).toEqual({ timeout: 10_000, memory: 256, logs: 1, concurrency: 1 });
    expect(valueOf(cold.annotations, 'waitTime')).toBe(cold.start - 1_767_225_600_123);
  });

  it('are shrunk when the broker refuses the size', async () => {
    const big = { text: 'x'.repeat(MESSAGE_BYTES_MAX) };
    const factory = new FakeFactory(runs(answered(200, big)));
    const subject = new InvokerBench({ factory, actions: [noLogs], config: { replyBytesMax: '4m' } });
    benches.push(subject);
    await subject.bus.ensureTopic('completed0', TOPIC_SETTINGS.completed);
    await subject.start();
    const message = aMessage();
    await subject.send(message);
    await subject.freed(1);
    expect(subject.types()).toEqual(['combined']);
    expect(subject.acks[0]?.response).toBe(message.activationId);
    expect(subject.records[0]?.response.result).toEqual(big);
  });

  it('expected failure: of a refusal for want of memory say what was missing, and nothing against the invoker', async () => {
    const factory = new FakeFactory((path) => (path === '/init' ? answered(200, {}) : new Promise(() => undefined)));
    const large = aStoredAction({ name: 'large', limits: { timeout: 10_000, memory: 512, logs: 1, concurrency: 1 } });
    const config = { memory: '300m', waitMaxMs: 50, memoryMaxMb: 1024, drainMs: 50 };
    const subject = await bench({ factory, actions: [aStoredAction(), large], config });
    await subject.send(aMessage(), aMessage({ action: { path: 'guest', name: 'large', version: '0.0.3' } }));
    await until(() => factory.containers.some(({ calls }) => calls.includes('/run')));
    await subject.send(aMessage());
    await subject.freed(2);
    const freeing = subject.acks.filter(({ instance }) => instance != null);
    expect(freeing.map(({ isSystemError }) => isSystemError)).toEqual([false, false]);
    expect(subject.records.map(({ response }) => response)).toMatchObject([
      { statusCode: 1, result: { error: expect.stringMatching(/212 MiB more memory than the 300 MiB/) } },
      { statusCode: 3, result: { error: expect.stringMatching(/212 MiB were missing of its 300 MiB/) } },
    ]);
  });

  it('say isSystemError only for status 3', async () => {
    const factory = new FakeFactory(runs(answered(502, { error: 'mine' })));
    const subject = await bench({ factory });
    await subject.send(aMessage());
    await subject.freed(1);
    factory.fails = true;
    await subject.send(aMessage());
    await subject.freed(2);
    const freeing = subject.acks.filter(({ instance }) => instance != null);
    expect(freeing.map(({ isSystemError }) => isSystemError)).toEqual([false, true]);
    expect(subject.records[1]?.response).toEqual({
      statusCode: 3,
      result: { error: 'Failed to provision resources to run the action.' },
    });
  });
});

describe('a message that comes twice', () => {
  it('runs its activation once, also after it has ended', async () => {
    const subject = await bench();
    const [first, other] = [aMessage(), aMessage()];
    await subject.send(first, first);
    await subject.freed(1);
    await subject.send(first, other);
    await subject.freed(2);
    expect(subject.records.map(({ activationId }) => activationId)).toEqual([first.activationId, other.activationId]);
    expect(await subject.extension.metrics.metrics()).toMatch(/repeated_messages_total 2\b/);
  });

  it('is forgotten after as many others as the key says', async () => {
    const subject = await bench({ config: { recentActivationsMax: 1 } });
    const [first, other] = [aMessage(), aMessage()];
    await subject.send(first, other, first);
    await subject.freed(3);
    expect(subject.records).toHaveLength(3);
  });
});

describe('logs', () => {
  it('are kept up to the limit, in the format of stock, without tags and sentinels', async () => {
    const factory = new FakeFactory((path, body, container) => {
      if (path === '/run') {
        const id = String(body.activation_id);
        container.print(id, 'stdout', 'hello');
        container.print(id, 'stderr', 'x'.repeat(1024 ** 2));
        container.sentinels(id);
      }
      return answered(200, {});
    });
    const subject = await bench({ factory });
    await subject.send(aMessage());
    await subject.freed(1);
    expect(subject.records[0]?.logs).toEqual([
      '2026-01-01T00:00:00.250000000Z stdout: hello',
      expect.stringMatching(
        /^.{30} stderr: Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes\.$/,
      ),
    ]);
  });

  it('expected failure: without sentinels say so, and the instance is destroyed', async () => {
    const factory = new FakeFactory(() => answered(200, {}));
    const subject = await bench({ factory });
    await subject.send(aMessage());
    await subject.freed(1);
    expect(subject.records[0]?.logs).toEqual([
      expect.stringContaining('There was an issue while collecting your logs.'),
    ]);
    await until(() => factory.containers[0]?.calls.includes('destroy') === true);
  });

  it('of concurrent activations are told apart', async () => {
    const concurrent = aStoredAction({ limits: { timeout: 10_000, memory: 256, logs: 1, concurrency: 3 } });
    const waiting: (() => void)[] = [];
    const factory = new FakeFactory(async (path, body, container) => {
      if (path === '/init') return answered(200, {});
      const id = String(body.activation_id);
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (waiting.length === 3) for (const go of waiting) go();
      });
      container.print(id, 'stdout', `log of ${id}`);
      container.sentinels(id);
      return answered(200, {});
    });
    const subject = await bench({ factory, actions: [concurrent] });
    await subject.send(aMessage(), aMessage(), aMessage());
    await subject.freed(3);
    expect(factory.containers).toHaveLength(1);
    for (const { activationId, logs } of subject.records) {
      expect(logs).toEqual([expect.stringContaining(`stdout: log of ${activationId}`)]);
    }
  });
});

describe('activations that never reach a container', () => {
  it("expected failure: a missing action is the user's error, with kind unknown, one combined ack and a record", async () => {
    const subject = await bench({ actions: [] });
    await subject.send(aMessage(), aMessage({ blocking: false }));
    await subject.freed(2);
    expect(subject.types()).toEqual(['combined', 'combined']);
    expect(typeof subject.acks[1]?.response).toBe('string');
    expect(subject.records).toHaveLength(2);
    expect(subject.records[0]?.response).toEqual({
      statusCode: 1,
      result: { error: 'Action could not be found or may have been deleted.' },
    });
    expect(valueOf(subject.records[0]?.annotations ?? [], 'kind')).toBe('unknown');
  });

  it("expected failure: limits outside the invoker's or the namespace's bounds name both values", async () => {
    const large = aStoredAction({ limits: { timeout: 10_000, memory: 1024, logs: 1, concurrency: 1 } });
    const subject = await bench({ actions: [large, aStoredAction({ name: 'small' })] });
    const user = { ...aMessage().user, limits: { maxActionMemory: 128 } };
    await subject.send(aMessage(), aMessage({ user, action: { path: 'guest', name: 'small' } }));
    await subject.freed(2);
    expect(
      subject.records.map(({ response }) => [response.statusCode, (response.result as { error: string }).error]),
    ).toEqual([
      [1, 'memory limit 1024 MB exceeds allowed threshold of 512 MB'],
      [1, 'memory limit 256 MB exceeds allowed threshold of 128 MB'],
    ]);
  });

  it('expected failure: a kind that is not served is status 3', async () => {
    const foreign = aStoredAction({ exec: { kind: 'python:3', code: 'x', binary: false } });
    const subject = await bench({ actions: [foreign] });
    await subject.send(aMessage());
    await subject.freed(1);
    expect(subject.records[0]?.response.statusCode).toBe(3);
  });

  it('expected failure: a blacklisted namespace gets an ack and no record', async () => {
    const subject = await bench({ config: { blacklist: ['guest'] } });
    await subject.send(aMessage());
    await subject.freed(1);
    expect(subject.acks[0]?.response).toMatchObject({ response: { statusCode: 1 } });
    expect(subject.records).toEqual([]);
  });

  it('bad call: a malformed message is dropped, counted, and the next one runs', async () => {
    const subject = await bench();
    await subject.send('{"not":"an activation"}', 'nor json', aMessage());
    await subject.freed(1);
    expect(subject.acks).toHaveLength(2);
    expect(await subject.extension.metrics.getSingleMetricAsString('tetris_invoker_malformed_messages_total')).toMatch(
      / 2$/m,
    );
  });
});

describe('health tests', () => {
  const test = { path: 'whisk.system', name: 'invokerHealthTestAction0' };

  it('run the action where it is there, and are answered where it is not', async () => {
    const action = aStoredAction({
      namespace: 'whisk.system',
      name: test.name,
      exec: { kind: 'nodejs:18', code: 'x', binary: false },
    });
    const subject = await bench({ actions: [] });
    const message = aMessage({ action: test, revision: null, blocking: false, transid: ['sid_invokerHealth', 1] });
    await subject.send(message);
    await subject.freed(1);
    expect(subject.factory.containers).toHaveLength(0);
    subject.actions.set(`whisk.system/${test.name}`, action);
    await subject.send({ ...message, activationId: 'b'.repeat(32) });
    await subject.freed(2);
    expect(subject.factory.containers).toHaveLength(1);
    expect(subject.types()).toEqual(['completion', 'completion']);
    expect(subject.acks.map(({ isSystemError, transid }) => [isSystemError, transid])).toEqual([
      [false, ['sid_invokerHealth', 1]],
      [false, ['sid_invokerHealth', 1]],
    ]);
  });
});

describe('instances', () => {
  it('expected failure: status 2 destroys the instance, status 1 keeps it', async () => {
    const replies = [answered(200, { error: 'handled' }), answered(502, { error: 'crashed' }), answered(200, {})];
    const factory = new FakeFactory((path, body, container) => {
      if (path === '/init') return answered(200, {});
      container.sentinels(String(body.activation_id));
      return replies.shift() ?? answered(200, {});
    });
    const subject = await bench({ factory });
    for (let count = 1; count <= 3; count += 1) {
      await subject.send(aMessage());
      await subject.freed(count);
    }
    expect(subject.records.map(({ response }) => response.statusCode)).toEqual([1, 2, 0]);
    expect(factory.containers).toHaveLength(2);
    expect(factory.containers[0]?.calls).toEqual(['/init', '/run', '/run', 'destroy']);
  });

  describe('that die', () => {
    const EXITED = 'The action did not produce a valid response and exited unexpectedly.';
    /** Two activations a container; one that is to kill it does so wherever it runs, once or always. */
    const killable = (once: boolean): { factory: FakeFactory; ran: string[] } => {
      const ran: string[] = [];
      let killed = false;
      const factory: FakeFactory = new FakeFactory(async (path, body, container) => {
        if (path === '/init') return answered(200, {});
        const { kill = false, name } = body.value as { kill?: boolean; name?: string };
        ran.push(`${name} in ${factory.containers.indexOf(container)}`);
        if (kill && !(once && killed)) {
          killed = true;
          setTimeout(() => void container.destroy(), 30);
          return new Promise(() => undefined);
        }
        return container === factory.containers[0] ? new Promise(() => undefined) : echo(path, body, container);
      });
      return { factory, ran };
    };
    const exec = { kind: 'nodejs:tetris', code: 'function main(args) { return args; }', binary: false };
    const limits = { timeout: 10_000, memory: 256, logs: 1, concurrency: 2 };
    const message = (name: string, kill = false): ActivationMessage => aMessage({ content: { name, kill } });
    const errorsOf = (subject: InvokerBench): unknown[] =>
      subject.records.filter(({ response }) => response.statusCode === 2).map(({ response }) => response.result);

    it('expected failure: answer what they have at once with status 2, and what waits gets another', async () => {
      const { factory } = killable(true);
      const subject = await bench({ factory, actions: [aStoredAction({ limits, exec })], config: { memory: '256m' } });
      await subject.send(message('a', true), message('b'), message('c'), message('d'));
      await subject.freed(4);
      expect(subject.records.map(({ response }) => response.statusCode).sort()).toEqual([0, 0, 2, 2]);
      const others = ' It shared its instance with 1 other, any of which may be the cause. ';
      const error = expect.stringContaining(`${EXITED}${others}With annotation tetris-retry`);
      expect(errorsOf(subject)).toEqual([{ error }, { error }]);
      expect(subject.acks.filter(({ instance }) => instance != null)).toHaveLength(4);
    });

    it('expected failure: with one activation alone say what stock says, and do not run it again', async () => {
      const { factory, ran } = killable(false);
      const annotations = [{ key: 'tetris-retry', value: true }];
      const subject = await bench({ factory, actions: [aStoredAction({ limits, exec, annotations })] });
      await subject.send(message('a', true));
      await subject.freed(1);
      expect(errorsOf(subject)).toEqual([{ error: EXITED }]);
      expect(ran).toEqual(['a in 0']);
    });

    it('give what they had to others, one each, where the action may run twice: only the cause fails', async () => {
      const { factory, ran } = killable(false);
      const annotations = [{ key: 'tetris-retry', value: 'true' }];
      const subject = await bench({ factory, actions: [aStoredAction({ limits, exec, annotations })] });
      await subject.send(message('a', true), message('b'));
      await subject.freed(2);
      expect(subject.records.map(({ response }) => response.statusCode).sort()).toEqual([0, 2]);
      expect(errorsOf(subject)).toEqual([{ error: EXITED }]);
      expect(ran.slice(0, 2)).toEqual(['a in 0', 'b in 0']);
      const again = ran.slice(2).map((run) => run.split(' in '));
      expect(again.map(([name]) => name).sort()).toEqual(['a', 'b']);
      expect(new Set(again.map(([, container]) => container)).size).toBe(2);
      expect(await subject.extension.metrics.metrics()).toContain('\ntetris_invoker_activation_retries_total 2\n');
      expect(subject.acks.filter(({ instance }) => instance != null)).toHaveLength(2);
    });
  });

  it('expected failure: a failed init answers those that waited for it with the same error', async () => {
    const concurrent = aStoredAction({ limits: { timeout: 10_000, memory: 256, logs: 0, concurrency: 3 } });
    const factory = new FakeFactory(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      return answered(502, { error: 'Initialization has failed' });
    });
    const subject = await bench({ factory, actions: [concurrent] });
    await subject.send(aMessage(), aMessage(), aMessage());
    await subject.freed(3);
    expect(factory.containers).toHaveLength(1);
    for (const { response } of subject.records) {
      expect(response).toEqual({ statusCode: 2, result: { error: 'Initialization has failed' } });
    }
  });

  it('tell how their inference went, and one of those that were executed together counts the execution', async () => {
    const inferences = [
      { waitedMs: 20, requests: 4, executionMs: 90, batch: 4 },
      { waitedMs: 10, requests: 0, executionMs: 90, batch: 4 },
    ];
    const factory = new FakeFactory((path, body, container) => {
      if (path === '/init') return answered(200, {});
      container.sentinels(String(body.activation_id));
      return { ...answered(200, {}), inference: inferences.shift() };
    });
    const subject = await bench({ factory });
    for (let count = 1; count <= 3; count += 1) {
      await subject.send(aMessage());
      await subject.freed(count);
    }
    const text = await subject.extension.metrics.metrics();
    // The third ran no model.
    for (const line of [
      'inference_batch_size_count 1',
      'inference_batch_size_sum 4',
      'inference_batch_size_bucket{le="2"} 0',
      'inference_batch_size_bucket{le="4"} 1',
      'inference_wait_seconds_count 2',
      'inference_wait_seconds_sum 0.03',
      'inference_seconds_count 1',
      'inference_seconds_sum 0.09',
    ]) {
      expect(text).toContain(`\ntetris_invoker_${line}\n`);
    }
  });

  it('resume a paused instance, and go elsewhere when it does not listen any more', async () => {
    let dead = false;
    const factory: FakeFactory = new FakeFactory((path, body, container) =>
      dead && container === factory.containers[0] ? { outcome: 'gone', reached: false } : echo(path, body, container),
    );
    const subject = await bench({ factory, config: { pauseGraceMs: 20 } });
    await subject.send(aMessage());
    await subject.freed(1);
    await until(() => factory.containers[0]?.calls.includes('pause') === true);
    dead = true;
    await subject.send(aMessage());
    await subject.freed(2);
    expect(factory.containers[0]?.calls.slice(0, 5)).toEqual(['/init', '/run', 'pause', 'resume', '/run']);
    expect(factory.containers).toHaveLength(2);
    expect(subject.records.map(({ response }) => response.statusCode)).toEqual([0, 0]);
  });
});

describe('an instance whose process has ended', () => {
  const config = { memory: '512m', sleepPressurePercent: 1, sleepAfterMs: 20, endProcessAfterMs: 20 };

  async function halted(): Promise<Awaited<ReturnType<typeof bench>>> {
    const subject = await bench({ config });
    await subject.send(aMessage());
    await subject.freed(1);
    await until(() => subject.factory.containers[0]?.calls.includes('halt') === true);
    return subject;
  }

  it('is started and initialized anew by the next activation, which was a cold start', async () => {
    const subject = await halted();
    await subject.send(aMessage());
    await subject.freed(2);
    expect(subject.factory.containers).toHaveLength(1);
    const [container] = subject.factory.containers;
    expect(container?.calls.filter((call) => call !== 'pause').slice(0, 6)).toEqual([
      ...['/init', '/run', 'halt'],
      ...['restart', '/init', '/run'],
    ]);
    expect(subject.records.map(({ response }) => response.statusCode)).toEqual([0, 0]);
    expect(subject.records[1]?.annotations.map(({ key }) => key)).toContain('initTime');
  });

  it('expected failure: where it cannot be started again the activation goes elsewhere', async () => {
    const subject = await halted();
    const [container] = subject.factory.containers;
    if (container !== undefined) container.restartFails = true;
    await subject.send(aMessage());
    await subject.freed(2);
    await until(() => container?.calls.includes('destroy') === true);
    expect(subject.factory.containers).toHaveLength(2);
    expect(subject.records.map(({ response }) => response.statusCode)).toEqual([0, 0]);
  });
});

describe('the invoker', () => {
  it('pings after its topic is there, and says goodbye', async () => {
    const subject = await bench();
    await subject.send(aMessage(), aMessage());
    await subject.freed(2);
    await subject.extension.stop();
    benches.length = 0;
    await until(() => subject.pings.length >= 2);
    expect(subject.pings[0]).toMatchObject({
      name: { instance: 0, tags: [], dedicatedNamespaces: [] },
      isEnabled: true,
    });
    expect(subject.pings.at(-1)?.isEnabled).toBe(false);
    expect(subject.factory.containers.every(({ calls }) => calls.includes('destroy'))).toBe(true);
  });

  it('finishes what it has before it stops', async () => {
    const factory = new FakeFactory(async (path, body, container) => {
      if (path === '/run') await new Promise((resolve) => setTimeout(resolve, 100));
      return echo(path, body, container);
    });
    const subject = await bench({ factory });
    await subject.send(aMessage(), aMessage());
    await until(() => factory.containers.some(({ calls }) => calls.includes('/run')));
    await subject.extension.stop();
    benches.length = 0;
    await subject.freed(2);
    expect(subject.records.map(({ response }) => response.statusCode)).toEqual([0, 0]);
  });

  it('expected failure: at the end of its drain answers what still runs as crashed and what still waits as refused', async () => {
    const factory = new FakeFactory((path) => (path === '/init' ? answered(200, {}) : new Promise(() => undefined)));
    const subject = await bench({ factory, config: { drainMs: 50, memory: '256m' } });
    await subject.send(aMessage(), aMessage());
    await until(() => factory.containers.some(({ calls }) => calls.includes('/run')));
    await subject.extension.stop();
    benches.length = 0;
    await subject.freed(2);
    expect(subject.records.map(({ response }) => response.statusCode).sort()).toEqual([2, 3]);
  });

  it('sends an event when the slot is free', async () => {
    const subject = await bench({ config: { eventsTopic: 'events' } });
    await subject.send(aMessage());
    await until(() => subject.events.length === 1);
    expect(subject.events[0]).toMatchObject({
      source: 'invoker0',
      eventType: 'Activation',
      body: { kind: 'nodejs:20', statusCode: 0 },
    });
  });

  it('registers, measures, publishes what an action needs, and releases', async () => {
    const tensors = [{ sha256: 'd'.repeat(64), bytes: 1000 }];
    const living = new Set<string>();
    const daemon = {
      registerInstance: async (token: string) => {
        living.add(token);
        return { instance: token, namespace: 'guest', viewPath: `/views/${token}`, models: [] };
      },
      releaseInstance: async (token: string) => void living.delete(token),
      instances: async () => [],
      instance: async (token: string) => ({
        instance: token,
        namespace: 'guest',
        viewPath: '',
        models: [{ modelKey: 'm', name: 'm', source: 'e'.repeat(64), tensors }],
      }),
      totals: async () => ({ leasedBytes: 1000 }) as StoreTotals,
      inventory: async () => ({ snapshot: { sequence: 1, tensors } }),
    };
    const factory = new FakeFactory();
    const subject = await bench({ factory, parts: { daemon: daemon as never } });
    await subject.send(aMessage());
    await subject.freed(1);
    await until(async () => (await subject.registry.getManifest('guest/classify@5-abc')) !== undefined);
    expect(await subject.registry.getManifest('guest/classify@5-abc')).toEqual({
      tensors,
      privateBytes: 10 * 1024 ** 2,
      models: ['e'.repeat(64)],
    });
    expect(factory.containers[0]?.spec.viewPath).toBe(`/views/${[...living][0]}`);
    await until(() => subject.extension.status().memoryUsedBytes === 1000 + 10 * 1024 ** 2);
    expect(subject.extension.status()).toMatchObject({
      memoryReclaimableBytes: 10 * 1024 ** 2 + 1000,
      memoryReclaimableTensorBytes: 1000,
      warm: [{ action: 'guest/classify@5-abc', namespace: 'guest', capacity: 1, inUse: 0 }],
    });
    await factory.containers[0]?.destroy();
    await until(() => living.size === 0);
  });
});

describe('stem cells', () => {
  const small = aStoredAction({ limits: { timeout: 10_000, memory: 256, logs: 1, concurrency: 1 } });

  it('are started before anybody asks, taken by the first action of their kind and memory, and replaced', async () => {
    const subject = await bench({ actions: [small], config: { stemCells: 'nodejs:20@256m=1' } });
    const { containers } = subject.factory;
    await until(() => containers.length === 1);
    const [cell] = containers;
    await subject.send(aMessage());
    await subject.freed(1);
    expect(cell?.calls).toEqual(['/init', '/run']);
    expect(cell?.spec.namespace).toBeUndefined();
    await until(() => containers.length === 2);
    expect(containers[1]?.calls).toEqual([]);
  });

  it('are not for another memory limit', async () => {
    const subject = await bench({ actions: [small], config: { stemCells: 'nodejs:20@128m=1' } });
    const { containers } = subject.factory;
    await until(() => containers.length === 1);
    await subject.send(aMessage());
    await subject.freed(1);
    expect(containers.map(({ calls }) => calls)).toEqual([[], ['/init', '/run']]);
  });

  it('are kept for the memory limits that actions of kind nodejs:tetris have, the next of which takes one', async () => {
    const shared = aStoredAction({
      exec: { kind: 'nodejs:tetris', code: 'function main(args) { return args; }', binary: false },
      limits: { timeout: 10_000, memory: 192, logs: 1, concurrency: 1 },
    });
    const subject = await bench({ actions: [shared], config: { stemCellBytesMax: '256m' } });
    const { containers } = subject.factory;
    await subject.send(aMessage());
    await subject.freed(1);
    await until(() => containers.length === 2);
    expect(containers[1]?.spec).toMatchObject({ kind: 'nodejs:tetris', memoryBytes: 192 * 1024 ** 2 });
    await containers[0]?.destroy();
    await subject.send(aMessage());
    await subject.freed(2);
    expect(containers[1]?.calls).toEqual(['/init', '/run']);
  });

  it('are not started and ended by turns where actions of several memory limits have their instances', async () => {
    const actions = [192, 256, 320].map((memory) =>
      aStoredAction({
        name: `of${memory}`,
        revision: `1-${memory}`,
        exec: { kind: 'nodejs:tetris', code: 'function main(args) { return args; }', binary: false },
        limits: { timeout: 10_000, memory, logs: 1, concurrency: 1 },
      }),
    );
    const subject = await bench({ actions, config: { stemCellBytesMax: '512m' } });
    const { containers } = subject.factory;
    let sent = 0;
    const oneOfEach = async (): Promise<void> => {
      for (const { namespace, name, version, revision } of actions) {
        await subject.send(aMessage({ action: { path: namespace, name, version }, revision }));
        await subject.freed((sent += 1));
      }
    };
    await oneOfEach();
    const cells = (): number[] =>
      containers.filter(({ calls }) => calls.length === 0).map(({ spec }) => spec.memoryBytes / 1024 ** 2);
    // One that comes up when it is no longer wanted is there for a moment, too.
    await until(() => cells().join() === '320');
    const started = containers.length;
    for (let turn = 0; turn < 5; turn += 1) await oneOfEach();
    expect(containers).toHaveLength(started);
  });

  it('leave when an action wants their memory', async () => {
    const subject = await bench({ actions: [small], config: { stemCells: 'nodejs:20@128m=1', memory: '300m' } });
    const { containers } = subject.factory;
    await until(() => containers.length === 1 && subject.extension.status().memoryUsedBytes === 128 * 1024 ** 2);
    await subject.send(aMessage());
    await subject.freed(1);
    expect(containers[0]?.calls).toEqual(['destroy']);
    expect(subject.records[0]?.response.statusCode).toBe(0);
  });

  it('expected failure: one that cannot start is tried again, and one that died is replaced', async () => {
    const factory = new FakeFactory();
    factory.fails = true;
    const subject = await bench({ factory, config: { stemCells: 'nodejs:20@256m=1' } });
    factory.fails = false;
    await until(() => factory.containers.length === 1);
    await factory.containers[0]?.destroy();
    await until(() => factory.containers.length === 2);
    expect(subject.extension.status().warm).toEqual([]);
  });
});

describe('actions with an objective', () => {
  const slo = (annotations: { key: string; value: unknown }[] = []) =>
    aStoredAction({
      exec: { kind: 'nodejs:tetris', code: 'function main(args) { return args; }', binary: false },
      annotations: [{ key: 'tetris-slo', value: 400 }, { key: 'provide-api-key', value: false }, ...annotations],
      limits: { timeout: 10_000, memory: 256, logs: 0, concurrency: 1 },
    });

  /** Answers as late as told, and keeps what `/init` was told. */
  function slow(runMs: number): { factory: FakeFactory; inits: Record<string, unknown>[] } {
    const inits: Record<string, unknown>[] = [];
    const factory = new FakeFactory(async (path, body, container) => {
      if (path === '/init') {
        inits.push((body.value as { tetris: Record<string, unknown> }).tetris);
        return answered(200, {});
      }
      await new Promise((wait) => setTimeout(wait, runMs));
      container.sentinels(String(body.activation_id));
      return answered(200, {});
    });
    return { factory, inits };
  }

  it('are told when each answer is due: so long after its transaction began, however long it was on its way', async () => {
    const subject = await bench({ actions: [slo()] });
    const startMs = Date.now() - 200;
    await subject.send(aMessage({ transid: ['Zt4vQ9mB1xKc7LwYp3RsNf6HdJ2aGe80', startMs] }));
    await subject.freed(1);
    expect(subject.factory.containers[0]?.dueMs).toEqual([startMs + 400]);
    // Clocks that differ by more than any way takes are not believed.
    await subject.send(aMessage({ transid: ['Zt4vQ9mB1xKc7LwYp3RsNf6HdJ2aGe80', startMs - 3_600_000] }));
    await subject.freed(2);
    expect(subject.factory.containers[0]?.dueMs.at(-1)).toBeGreaterThan(startMs + 400);
  });

  it('start in the default shape with room for what it executes, whatever the concurrency of others is', async () => {
    const { factory, inits } = slow(20);
    const subject = await bench({ factory, actions: [slo()], config: { concurrency: 8 } });
    await subject.send(aMessage(), aMessage());
    await subject.freed(2);
    expect(inits[0]).toEqual({ room: 1, workers: 1, threads: 1, batch: 1, batchWaitMs: 0, memoryMb: 256, sloMs: 400 });
    expect(factory.containers).toHaveLength(2);
  });

  it('bad call: a value that an annotation does not take is ignored, and logged with what it takes', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const { factory, inits } = slow(1);
    const actions = [slo([{ key: 'tetris-batching', value: 'big' }])];
    const subject = await bench({ factory, actions, parts: { log } });
    await subject.send(aMessage());
    await subject.freed(1);
    expect(inits[0]).toMatchObject({ batch: 1, sloMs: 400 });
    const [line] = lines.filter((each) => each.includes('annotation is ignored'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      reason: `annotation 'tetris-batching' takes a batch size from 1, true or false; got "big"`,
    });
  });

  /** A profile in a folder: one worker is too slow for the objective. */
  async function profiled(sha256: string): Promise<string> {
    const profilePath = mkdtempSync(join(tmpdir(), 'profiles-'));
    folders.push(profilePath);
    const figures = { throughput: 0, loadMs: 1, peakBytes: 1, steadyBytes: 50 * 1024 ** 2, samples: 9 };
    const measured = (concurrency: number, batch: number, ms: number) => ({
      source: 'measured' as const,
      point: { variant: 'optimized' as const, cpu: concurrency, concurrency, threads: 1, batch },
      measurement: { ...figures, p50Ms: ms, p95Ms: ms, p99Ms: ms },
    });
    await new ProfileArchive(new FolderDocuments(profilePath)).save({
      sha256,
      bytes: 1234,
      name: 'model',
      machine: { cpu: 'test', cores: 2, memoryBytes: 1, node: 'v20', onnxruntime: '1' },
      inputs: '',
      tensorBytes: {},
      firstLoadMs: {},
      conversions: {},
      entries: [measured(1, 1, 1000), measured(2, 1, 30), measured(2, 4, 60)],
    });
    return profilePath;
  }
  const scaled = { planMs: 100, keepAliveMs: 300, scaleCores: 8, shapeWorkersMax: 1, shapeBatchMax: 1 };
  const profiledShape = { room: 2, workers: 2, threads: 1, batch: 1, batchWaitMs: 0, memoryMb: 256, sloMs: 400 };
  const model = 'e'.repeat(64);

  it('take the profile that an annotation names, and start the shape that it asks for', async () => {
    const profilePath = await profiled(model);
    const { factory, inits } = slow(30);
    const actions = [slo([{ key: 'tetris-profile', value: `${model}-1234` }])];
    const subject = await bench({ factory, actions, config: { ...scaled, profilePath } });
    // The first one came before the profile was read.
    await subject.send(aMessage());
    await until(() => inits.length === 1 && subject.extension.status().warm.length === 0);
    await subject.send(aMessage());
    await subject.freed(2);
    expect(inits[1]).toEqual(profiledShape);
    subject.extension.status();
    const counted = await subject.extension.metrics.metrics();
    expect(counted).toContain('shaped_instances{workers="2",threads="1",batch="1"} 1');
    expect(counted).toMatch(/objective_activations_total\{class="0\.5",outcome="(in-time|late)"\} [12]\n/);
    expect(counted).toContain('tetris_invoker_wait_seconds_count 2');
    expect(counted).toMatch(/memory_bytes\{kind="private"\} [1-9]/);
  });

  it('take the profile of the model that an instance has loaded, and the next invoker takes it at once', async () => {
    const profilePath = await profiled(model);
    const { factory, inits } = slow(30);
    const config = { ...scaled, profilePath };
    const view = { instance: '', namespace: 'guest', viewPath: '/nowhere' };
    const models = [{ modelKey: 'k', name: 'model', source: model, tensors: [] }];
    const daemon = {
      registerInstance: async () => ({ ...view, models }),
      releaseInstance: async () => undefined,
      instances: async () => [],
      instance: async () => ({ ...view, models }),
      totals: async () => ({ leasedBytes: 0 }),
      inventory: async () => ({ deltas: [], sequence: 0 }),
    } as unknown as NonNullable<InvokerParts['daemon']>;
    const subject = await bench({ factory, actions: [slo()], config, parts: { daemon } });
    await subject.send(aMessage());
    await until(() => inits.length === 1 && subject.extension.status().warm.length === 0);
    await subject.send(aMessage());
    await subject.freed(2);
    expect(inits[0]).toMatchObject({ workers: 1 });
    expect(inits[1]).toEqual(profiledShape);

    // What it has learned of the model is in the registry.
    const { factory: second, inits: secondInits } = slow(30);
    const parts = { registry: subject.registry };
    const other = await bench({ factory: second, actions: [slo()], config: { ...config, instance: 1 }, parts });
    await other.bus.send('invoker1', JSON.stringify(aMessage()));
    await until(() => secondInits.length === 1 && other.extension.status().warm.length === 0);
    await other.bus.send('invoker1', JSON.stringify(aMessage()));
    await other.freed(2);
    expect(secondInits[1]).toEqual(profiledShape);
  });
});
