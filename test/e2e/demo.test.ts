import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { processTree } from '../../bench/src/measure/process-memory';

const DEMO = join(__dirname, '../../bench/dist/demo/main.js');
const TIMEOUT_MS = 90_000;

/** The JSON keys that users rely on. */
const KEYS = [
  'instances',
  'sharedTotalMb',
  'stockTotalMb',
  'totalRatio',
  'nextInstanceMb',
  'headAddedRatio',
  'loadRatioTransformer',
  'loadRatioConvnet',
  'maxRelativeError',
  'latencyRatioBatch1',
  'latencyRatioBatch4',
];

/** A demo with folders of its own, every process of which is remembered. */
class DemoRun {
  readonly child: ChildProcess;
  readonly pids = new Set<number>();
  progress = '';
  readonly output: Promise<string>;
  readonly ended: Promise<number | null>;

  constructor(folders: { temporary: string; store: string }, args: string[]) {
    this.child = spawn(process.execPath, [DEMO, '--small', '--store', folders.store, ...args], {
      env: { ...process.env, TMPDIR: folders.temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, as a shell gives a command: a signal can then go to all of it, as Ctrl-C does.
      detached: true,
    });
    this.child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.progress += chunk));
    // Where the test destroys the stream there is nothing to read.
    this.output = text(this.child.stdout ?? process.stdin).catch(() => '');
    this.ended = once(this.child, 'exit').then(([code]) => code as number | null);
    const watch = setInterval(() => this.#remember(), 50);
    void this.ended.then(() => clearInterval(watch));
  }

  async saw(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.progress)) {
      if (this.child.exitCode !== null) throw new Error(`the demo ended early:\n${this.progress}`);
      await delay(20);
    }
    this.#remember();
  }

  /** Processes that outlived the demo, after a moment for the kernel to bury them. */
  async survivors(): Promise<number[]> {
    for (let poll = 0; poll < 50 && this.#living().length > 0; poll += 1) await delay(20);
    return this.#living();
  }

  #remember(): void {
    if (this.child.pid === undefined) return;
    for (const pid of processTree(this.child.pid)) this.pids.add(pid);
  }

  #living(): number[] {
    return [...this.pids].filter((pid) => existsSync(`/proc/${pid}/cwd`));
  }
}

describe('demo', () => {
  let temporary: string;
  let store: string;
  let run: DemoRun | undefined;

  beforeEach(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'tetris-demo-test-'));
    store = await mkdtemp('/dev/shm/tetris-demo-test-');
  });

  afterEach(async () => {
    for (const pid of (await run?.survivors()) ?? []) process.kill(pid, 'SIGKILL');
    await Promise.all([temporary, store].map((folder) => rm(folder, { recursive: true, force: true })));
  });

  async function expectNothingLeft(finished: DemoRun): Promise<void> {
    expect(await finished.survivors()).toEqual([]);
    expect(await readdir(store)).toEqual([]);
    expect((await readdir(temporary)).filter((name) => name !== 'figures.json')).toEqual([]);
  }

  it(
    'measures both sides, agrees with plain onnxruntime, writes every figure and leaves nothing behind',
    async () => {
      const json = join(temporary, 'figures.json');
      run = new DemoRun({ temporary, store }, ['--json', json]);
      expect([await run.ended, run.progress]).toEqual([0, expect.stringContaining('starting the platform')]);

      const figures = JSON.parse(await readFile(json, 'utf8')) as Record<string, number>;
      for (const key of KEYS) expect([key, Number.isFinite(figures[key])]).toEqual([key, true]);
      expect(figures['instances']).toBe(4);
      expect(figures['maxRelativeError']).toBeLessThanOrEqual(1e-5);
      expect(figures['headAddedRatio']).toBeGreaterThan(0);
      expect(figures['headAddedRatio']).toBeLessThan(0.2);
      const table = await run.output;
      expect(table).toContain('encoder-intents');
      expect(table).toContain('as one copy an instance');
      expect(table.trim().split('\n').at(-1)).toMatch(/^4 instances in \d+\.\d GB instead of \d+\.\d\.$/);
      await expectNothingLeft(run);
    },
    TIMEOUT_MS,
  );

  it.each([
    ['to the demo alone', (pid: number) => pid],
    ['to the whole group, as a terminal does', (pid: number) => -pid],
  ])(
    'cleans up when it is interrupted in the middle of its work: %s',
    async (_case, target) => {
      run = new DemoRun({ temporary, store }, []);
      await run.saw(/encoder-topics: instance 2 of/);
      process.kill(target(run.child.pid ?? 0), 'SIGINT');
      expect(await run.ended).toBe(130);
      expect(run.progress).not.toContain('demo:');
      await expectNothingLeft(run);
    },
    TIMEOUT_MS,
  );

  it(
    'expected failure: the next one removes what one that was killed left behind',
    async () => {
      run = new DemoRun({ temporary, store }, []);
      await run.saw(/encoder-topics: instance 2 of/);
      run.child.kill('SIGKILL');
      await run.ended;
      await run.survivors();
      expect(await readdir(store)).not.toEqual([]);
      const next = new DemoRun({ temporary, store }, []);
      await next.saw(/starting the platform/);
      next.child.kill('SIGTERM');
      expect(await next.ended).toBe(143);
      await expectNothingLeft(next);
    },
    TIMEOUT_MS,
  );

  it(
    'expected failure: goes on when nobody reads its output any more, and leaves nothing behind',
    async () => {
      run = new DemoRun({ temporary, store }, []);
      run.child.stdout?.destroy();
      expect(await run.ended).toBe(0);
      await expectNothingLeft(run);
    },
    TIMEOUT_MS,
  );

  it.each(['/no/folder/figures.json', '/proc/figures.json'])(
    'bad call: tells at once that the figures cannot be written to %s',
    async (path) => {
      run = new DemoRun({ temporary, store }, ['--json', path]);
      expect(await run.ended).toBe(1);
      expect(run.progress).toContain(`demo: --json takes a file that can be written; got '${path}': `);
      expect(run.progress).not.toContain('building');
    },
    TIMEOUT_MS,
  );

  it(
    'bad call: refuses an option that it does not know',
    async () => {
      run = new DemoRun({ temporary, store }, ['--large']);
      expect(await run.ended).toBe(1);
      expect(run.progress).toContain("unknown option '--large'");
    },
    TIMEOUT_MS,
  );
});
