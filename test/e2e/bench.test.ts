import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EVALUATION } from '../../bench/src/results/targets';
import { processTree } from '../../bench/src/measure/process-memory';
import type { ClosedPoint, OverloadFigures, PointFigures } from '../../bench/src/overload/report';
import type { FunctionFigures, SharingFigures } from '../../bench/src/sharing/report';
import { until } from '../support/until';

const BENCH = join(__dirname, '../../bench/dist/main.js');
const TIMEOUT_MS = 180_000;
const ALL_TIMEOUT_MS = 420_000;
const run = promisify(execFile);

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

describe('npm run bench', () => {
  it(
    'measures sharing in every configuration beside the speed of the machine, on a small model',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'bench-'));
      const file = join(folder, 'sharing.json');
      try {
        await run(process.execPath, [BENCH, 'sharing', '--quick', '--json', file], { timeout: TIMEOUT_MS });
        const text = await readFile(file, 'utf8');
        const result = JSON.parse(text) as SharingFigures & { quick: boolean; functions: FunctionFigures[] };
        expect(result).toMatchObject({ suite: 'sharing', quick: true });
        const [{ load, configurations } = { load: {}, configurations: {} }] = result.functions;
        expect(load).toMatchObject({ productsPerSecond: expect.any(Number) as number });
        expect(Object.keys(configurations)).toEqual(['single', 'batching', 'concurrency', 'sharing']);
        for (const figures of Object.values(configurations)) {
          expect(figures.requests).toBeGreaterThan(0);
          expect(figures.machineSpeed).toBeGreaterThan(0);
          // Told once, though the machine was slow.
          expect(figures.tries).toBe(1);
        }
        // A busy machine may answer nothing in time in one of them.
        const throughputs = Object.values(configurations).map(({ throughput }) => throughput);
        expect(Math.max(...throughputs)).toBeGreaterThan(0);
        const speeds = Object.values(configurations).map(({ machineSpeed }) => machineSpeed);
        expect(result.machineSpeedMin).toBe(Math.min(...speeds));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    TIMEOUT_MS,
  );

  it.each(['room', 'nodes', 'seeds', 'seed', 'beside'])('names what --%s is not', async (option) => {
    const bad = run(process.execPath, [BENCH, 'relay', `--${option}`, 'many'], { timeout: TIMEOUT_MS });
    await expect(bad).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/'many'.*whole number/s) as string,
    });
  });

  it('ends what it has started, and removes what it has made, at a signal', async () => {
    const temporary = await mkdtemp(join(tmpdir(), 'bench-'));
    const bench = spawn(process.execPath, [BENCH, 'latency', '--quick'], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: 'ignore',
    });
    try {
      const ended = once(bench, 'exit');
      const started = (): number[] => processTree(Number(bench.pid)).slice(1);
      await until(() => started().length >= 3, 'a daemon, an instance and a plain process run');
      const children = started();
      bench.kill('SIGTERM');
      expect(await ended).toEqual([143, null]);
      await until(() => !children.some(isAlive), 'none of them runs');
      expect(await readdir(temporary)).toEqual([]);
    } finally {
      bench.kill('SIGKILL');
      await rm(temporary, { recursive: true, force: true });
    }
  });

  it(
    'measures every suite of the evaluation on small models, goes on from what is there, and writes the page of results',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'bench-'));
      const results = join(folder, 'results');
      try {
        await run(process.execPath, [BENCH, 'all', '--quick', '--folder', results], { timeout: ALL_TIMEOUT_MS });
        const page = await readFile(`${results}.md`, 'utf8');
        for (const suite of EVALUATION) expect(page).toContain(`npm run bench -- ${suite} |`);
        expect(await readFile(join(results, 'results.html'), 'utf8')).toContain('<svg');
        const peers = JSON.parse(await readFile(join(results, 'peers.json'), 'utf8')) as { rows: { name: string }[] };
        const written = await readFile(join(results, 'memory-by-instances.svg'), 'utf8');

        const args = [BENCH, 'all', '--quick', '--page', '--folder', results];
        await run(process.execPath, args, { timeout: TIMEOUT_MS });
        expect(await readFile(`${results}.md`, 'utf8')).toBe(page);
        expect(await readFile(join(results, 'memory-by-instances.svg'), 'utf8')).toBe(written);
        expect(peers.rows.map(({ name }) => name)).toContain('rate/tetris');
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    ALL_TIMEOUT_MS,
  );

  it(
    'measures points of an overload, a burst among them, and goes on from what it has written',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'bench-'));
      const file = join(folder, 'overload.json');
      type Measured = OverloadFigures & { points: PointFigures[]; closed: ClosedPoint[] };
      const measure = async (loads: string, neighbour: string): Promise<Measured> => {
        const choice = ['--loads', loads, '--neighbour', neighbour, '--seconds', '1', '--resume'];
        await run(process.execPath, [BENCH, 'overload', '--quick', ...choice, '--json', file], { timeout: TIMEOUT_MS });
        return JSON.parse(await readFile(file, 'utf8')) as Measured;
      };
      try {
        const { points: first } = await measure('0.85,3', 'on');
        expect(first.map(({ load, neighbour }) => [load, neighbour])).toEqual([
          [0.85, true],
          [3, true],
        ]);
        for (const { requests, capacity, processors } of first) {
          expect(requests).toBeGreaterThan(0);
          expect(capacity).toBeGreaterThan(0);
          expect(processors.client + processors.platform).toBeGreaterThan(0);
        }
        const { points, closed, goodputWorst } = await measure('recovery,closed', 'off');
        expect(points.slice(0, 2)).toEqual(first);
        expect(points[2]).toHaveProperty('recoverySeconds');
        expect(goodputWorst).toBe(first[1]?.goodputRatio);
        const loops = closed[0]?.loops ?? [];
        expect(loops.length).toBeGreaterThan(2);
        for (const { perSecond, withinPerSecond } of loops) {
          expect(perSecond).toBeGreaterThan(0);
          expect(withinPerSecond).toBeLessThanOrEqual(perSecond);
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    TIMEOUT_MS,
  );

  it('bad option: names what it does not know, and what there is', async () => {
    await expect(run(process.execPath, [BENCH, 'speed'])).rejects.toMatchObject({ code: 1 });
    const { stderr } = await run(process.execPath, [BENCH, 'speed']).catch((error: { stderr: string }) => error);
    expect(stderr).toContain('speed');
    expect(stderr).toContain('sharing');
  });
});
