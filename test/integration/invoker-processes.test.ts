/** The invoker extension with real process containers: what user code, signals and crashes do to it. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type ContainerFactory, ProcessFactory } from '@tetris/invoker-extension';
import type { Action } from '@tetris/common';
import { spawnInTest } from '../support/child';
import { aMessage, aStoredAction } from '../support/invoker';
import { InvokerBench } from '../support/invoker-bench';
import { until } from '../support/until';

const RUNTIME = resolve(__dirname, '../support/plain-runtime.cjs');
const folders: string[] = [];
const benches: InvokerBench[] = [];

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'inv-'));
  folders.push(path);
  return path;
}

function factoryIn(workPath: string, command = [process.execPath, RUNTIME]): ProcessFactory {
  return new ProcessFactory({ command, workPath, path: process.env.PATH ?? '', memoryWatchMs: 50 });
}

interface Made {
  subject: InvokerBench;
  workPath: string;
}

async function bench(
  options: { actions?: Action[]; config?: Record<string, unknown>; workPath?: string; factory?: ContainerFactory } = {},
): Promise<Made> {
  const workPath = options.workPath ?? join(folder(), 'w');
  const subject = new InvokerBench({
    actions: [aStoredAction()],
    ...options,
    factory: options.factory ?? factoryIn(workPath),
    config: { logWaitMs: 1000, ...options.config },
  });
  benches.push(subject);
  await subject.start();
  return { subject, workPath };
}

/** Pids of the runtimes whose files lie in this work folder. */
function instancePids(workPath: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
      return environment.includes(`TMPDIR=${workPath}/`) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

const statusCodes = (subject: InvokerBench): number[] => subject.records.map(({ response }) => response.statusCode);

afterEach(async () => {
  for (const subject of benches.splice(0)) await subject.extension.stop();
});

afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

describe('process containers', () => {
  it('run, log, stay warm, and leave no process and no file behind', async () => {
    const { subject, workPath } = await bench();
    for (let count = 1; count <= 3; count += 1) {
      await subject.send(aMessage({ content: { count, print: `line ${count}` } }));
      await subject.freed(count);
    }
    expect(subject.records.map(({ response }) => response.result)).toEqual(
      [1, 2, 3].map((count) => ({ count, print: `line ${count}` })),
    );
    expect(subject.records[2]?.logs).toEqual([expect.stringContaining('stdout: line 3')]);
    expect(instancePids(workPath)).toHaveLength(1);
    await subject.extension.stop();
    benches.length = 0;
    expect(instancePids(workPath)).toEqual([]);
    expect(existsSync(workPath)).toBe(false);
  });

  it('take along what their code has started, also where it has left their process group', async () => {
    const code = `function main() {
      const child = process.getBuiltinModule('node:child_process').spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
      child.unref();
      return { pid: child.pid };
    }`;
    const { subject } = await bench({ actions: [aStoredAction({ exec: { kind: 'nodejs:20', code, binary: false } })] });
    await subject.send(aMessage());
    await subject.freed(1);
    const { pid } = subject.records[0]?.response.result as { pid: number };
    const isAlive = (): boolean => existsSync(`/proc/${pid}/exe`) && readlinkSync(`/proc/${pid}/exe`).includes('sleep');
    expect(isAlive()).toBe(true);
    await subject.extension.stop();
    benches.length = 0;
    await until(() => !isAlive(), 'the detached process has ended');
  });

  it('give init its environment and run its arguments', async () => {
    const code = `function main(args, request) {
      return { args, request: { ...request, value: undefined }, init: JSON.parse(process.env.TEST_INIT).env };
    }`;
    const action = aStoredAction({
      exec: { kind: 'nodejs:20', code, binary: false },
      annotations: [{ key: 'provide-api-key', value: true }],
    });
    const { subject } = await bench({ actions: [action] });
    const message = aMessage({
      content: { model: 'resnet', topk: 5, none: null },
      initArgs: ['model', 'topk', 'none'],
    });
    await subject.send({ ...message, content: { ...message.content, plain: [1] } });
    await subject.freed(1);
    const result = subject.records[0]?.response.result as Record<string, Record<string, unknown>>;
    expect(result.args).toEqual({ plain: [1] });
    expect(result.init).toMatchObject({
      model: 'resnet',
      topk: '5',
      none: '',
      __OW_NAMESPACE: 'guest',
      __OW_ACTION_NAME: '/guest/classify',
      __OW_ACTION_VERSION: '0.0.3',
      __OW_ACTIVATION_ID: message.activationId,
      __OW_TRANSACTION_ID: message.transid[0],
      __OW_API_KEY: 'uuid:secret',
    });
    expect(result.request).toMatchObject({
      namespace: 'guest',
      action_name: '/guest/classify',
      action_version: '0.0.3',
      activation_id: message.activationId,
      transaction_id: message.transid[0],
      api_key: 'uuid:secret',
    });
    expect(Number(result.request?.deadline)).toBeGreaterThan(Date.now());
  });

  const FAILURES: [string, Record<string, unknown>, RegExp][] = [
    ['exits', { do: 'exit' }, /did not produce a valid response and exited unexpectedly/],
    ['answers in chunks', { do: 'chunked' }, /did not produce a valid response and exited unexpectedly/],
    ['exceeds its time', { do: 'hang' }, /exceeded its time limits of 1500 milliseconds\.$/],
    ['exceeds its memory', { do: 'eat' }, /exhausted its memory/],
    ['answers no JSON', { do: 'raw', status: 200, body: 'oops' }, /valid JSON response: oops/],
  ];

  it.each(FAILURES)(
    'expected failure: user code that %s is status 2, and the next activation gets a new instance',
    async (_name, content, error) => {
      const action = aStoredAction({ limits: { timeout: 1500, memory: 128, logs: 1, concurrency: 1 } });
      const { subject } = await bench({ actions: [action] });
      await subject.send(aMessage({ content }));
      await subject.freed(1);
      expect((subject.records[0]?.response.result as { error: string }).error).toMatch(error);
      await subject.send(aMessage({ content: { fine: true } }));
      await subject.freed(2);
      expect(statusCodes(subject)).toEqual([2, 0]);
    },
  );

  it('expected failure: code that does not load is status 2 with the error and its log', async () => {
    const broken = aStoredAction({ exec: { kind: 'nodejs:20', code: 'function main( {', binary: false } });
    const { subject } = await bench({ actions: [broken] });
    await subject.send(aMessage());
    await subject.freed(1);
    expect(subject.records[0]?.response).toMatchObject({
      statusCode: 2,
      result: { error: expect.stringContaining('Initialization has failed') },
    });
    expect(subject.records[0]?.logs).toEqual([
      expect.stringContaining('stderr: Error during initialization'),
      expect.stringContaining('The action did not initialize or run as expected.'),
    ]);
  });

  it('are frozen when idle, wake for the next activation, and count as the same instance', async () => {
    const { subject, workPath } = await bench({ config: { pauseGraceMs: 100 } });
    await subject.send(aMessage());
    await subject.freed(1);
    const [pid] = instancePids(workPath);
    await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') T '));
    await subject.send(aMessage());
    await subject.freed(2);
    expect(statusCodes(subject)).toEqual([0, 0]);
    expect(instancePids(workPath)).toEqual([pid]);
  });

  it('expected failure: a frozen instance that was killed is replaced without an error', async () => {
    const { subject, workPath } = await bench({ config: { pauseGraceMs: 50 } });
    await subject.send(aMessage());
    await subject.freed(1);
    const [pid] = instancePids(workPath);
    await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') T '));
    process.kill(pid ?? 0, 'SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`));
    await subject.send(aMessage());
    await subject.freed(2);
    expect(statusCodes(subject)).toEqual([0, 0]);
  });

  it('expected failure: of an invoker that was killed are gone when its successor has started', async () => {
    const workPath = join(folder(), 'w');
    const script = `
      const { ProcessFactory } = require('@tetris/invoker-extension');
      const factory = new ProcessFactory({ command: [process.execPath, ${JSON.stringify(RUNTIME)}], workPath: ${JSON.stringify(workPath)}, path: process.env.PATH });
      factory.removeOrphans().then(() => factory.create({ name: 'one', kind: 'nodejs:20', memoryBytes: 2 ** 28, instance: 'invoker0-orphan-token', env: {} }));
      setInterval(() => undefined, 1000);`;
    const invoker = spawnInTest(process.execPath, ['-e', script], { cwd: __dirname, stdio: 'ignore' });
    await until(() => instancePids(workPath).length === 1);
    invoker.kill('SIGKILL');
    const released: string[] = [];
    const factory = factoryIn(workPath);
    released.push(...(await factory.removeOrphans()));
    expect(released).toEqual(['invoker0-orphan-token']);
    await until(() => instancePids(workPath).length === 0);
    await factory.close();
  });
});

describe('killing instances in the middle of many activations', () => {
  it('expected failure: with tetris-retry only those fail that kill their instance', async () => {
    const code = `async function main({ name, dies }) {
      await new Promise((wait) => setTimeout(wait, 20));
      if (dies) process.abort();
      return { name };
    }`;
    const action = aStoredAction({
      exec: { kind: 'nodejs:tetris', code, binary: false },
      limits: { timeout: 20_000, memory: 128, logs: 1, concurrency: 4 },
      annotations: [{ key: 'tetris-retry', value: true }],
    });
    const { subject } = await bench({ actions: [action], config: { memory: '2g' } });
    const contents = Array.from({ length: 40 }, (_, name) => ({ name, dies: name % 10 === 3 }));
    await subject.send(...contents.map((content) => aMessage({ content })));
    await subject.freed(contents.length);
    const names = subject.records.flatMap(({ response }) => (response.result as { name?: number }).name ?? []);
    const living = contents.filter(({ dies }) => !dies).map(({ name }) => name);
    expect(names.sort((one, other) => one - other)).toEqual(living);
    expect(statusCodes(subject).filter((status) => status === 2)).toHaveLength(contents.length - living.length);
    expect(subject.acks.filter(({ instance }) => instance != null)).toHaveLength(contents.length);
  });

  it('answers every activation exactly once', async () => {
    const total = 200;
    const action = aStoredAction({ limits: { timeout: 20_000, memory: 128, logs: 1, concurrency: 4 } });
    const { subject, workPath } = await bench({ actions: [action], config: { memory: '1g' } });
    const messages = Array.from({ length: total }, (_, index) =>
      aMessage({ blocking: index % 2 === 0, content: { sleepMs: 40 } }),
    );
    const sending = subject.send(...messages);
    let kills = 0;
    await subject.freed(10);
    while (kills < 6) {
      const [pid] = instancePids(workPath);
      if (pid !== undefined) {
        process.kill(pid, 'SIGKILL');
        kills += 1;
      }
      await new Promise((wait) => setTimeout(wait, 100));
    }
    await sending;
    await subject.freed(total);
    await new Promise((wait) => setTimeout(wait, 200));

    const freed = subject.acks.filter(({ instance }) => instance != null);
    expect(freed).toHaveLength(total);
    expect(new Set(subject.records.map(({ activationId }) => activationId)).size).toBe(total);
    expect(subject.records).toHaveLength(total);
    const results = subject.acks.filter(({ response }) => response != null);
    expect(results).toHaveLength(total / 2);
    const failed = statusCodes(subject).filter((code) => code === 2).length;
    expect(failed).toBeGreaterThan(0);
    // A killed instance takes at most what it had: its room.
    expect(failed).toBeLessThanOrEqual(kills * 4);
    expect(statusCodes(subject).every((code) => code === 0 || code === 2)).toBe(true);
    expect(subject.extension.status()).toMatchObject({ running: 0, waiting: 0 });
  });
});
