/** What every kind of container does, whatever it is made of: the same cases for processes, Docker and Kubernetes. */
import type { Container, ContainerFactory } from '@tetris/invoker-extension';
import { tarGz, zip } from './archives';
import { collectLogs, containerSpec, initialise, invoke, resultOf } from './docker/action-container';
import { until } from './until';

export interface Sandbox {
  /** A factory of this invoker, `'0'` where none is told. The caller closes it. */
  factory(invoker?: string): ContainerFactory;
  /** A factory that can start nothing. */
  unstartable(): ContainerFactory;
  /** Names of the containers that are there, of all invokers, running or not. */
  containers(): Promise<string[]>;
  /** Ends a container from outside, as a crash would. */
  kill(container: Container): Promise<void>;
  /** Whether it can freeze a container. */
  freezes: boolean;
  /** Whether it can end a container's processes and keep the container. */
  halts: boolean;
}

const MIB = 1024 ** 2;
const TEST_TIMEOUT_MS = 60_000;
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
const ECHO = 'exports.main = (params) => ({ echo: params });';

/**
 * Defines the contract's tests.
 *
 * @param kind what such a container is called
 * @param sandbox made by the time the first test runs
 */
export function containerContract(kind: string, sandbox: () => Sandbox): void {
  let factory: ContainerFactory;

  beforeEach(() => {
    factory = sandbox().factory();
  });
  afterEach(() => factory.close(), TEST_TIMEOUT_MS);

  async function started(code: string, create = factory.create(containerSpec())): Promise<Container> {
    const container = await create;
    await initialise(container, code);
    return container;
  }

  describe(`a ${kind}`, () => {
    it('runs a plain action', async () => {
      const container = await started(ECHO);
      expect(await resultOf(invoke(container, { name: 'wörld' }))).toEqual({ echo: { name: 'wörld' } });
    });

    it.each([
      ['gzipped tar', tarGz],
      ['zip', zip],
    ])('runs an action that came as a %s file', async (_type, pack) => {
      const container = await factory.create(containerSpec());
      await initialise(container, pack([{ name: 'index.js', data: ECHO }]).toString('base64'), true);
      expect(await resultOf(invoke(container, { a: 1 }))).toEqual({ echo: { a: 1 } });
    });

    it('has a temporary folder, and the environment that it is given', async () => {
      const container = await started(`
        const fs = require('node:fs');
        const file = require('node:os').tmpdir() + '/mine';
        exports.main = () => {
          fs.writeFileSync(file, 'x');
          return { read: fs.readFileSync(file, 'utf8'), host: process.env.__OW_API_HOST };
        };`);
      expect(await resultOf(invoke(container))).toEqual({ read: 'x', host: 'http://127.0.0.1:1' });
    });

    it('hands out lines of both streams with their time, sentinels included, tagged by activation', async () => {
      const container = await factory.create(containerSpec());
      const lines = collectLogs(container);
      await initialise(container, "exports.main = () => { console.log('one'); console.error('two'); return {}; };");
      const activationId = 'a'.repeat(32);
      await resultOf(invoke(container, {}, { activationId }));
      await until(() => lines.filter(({ text }) => text.includes(SENTINEL)).length === 2);
      const tagged = lines.map(({ stream, text }) => [stream, text.replace(/\u0001/g, '|')]);
      expect(tagged).toContainEqual(['stdout', `|${activationId}|one`]);
      expect(tagged).toContainEqual(['stderr', `|${activationId}|two`]);
      expect(lines.every(({ atMs }) => Math.abs(Date.now() - atMs) < TEST_TIMEOUT_MS)).toBe(true);
    });

    it('keeps a line of 100,000 characters together as far as the line bound allows, and loses nothing', async () => {
      const container = await factory.create(containerSpec());
      const lines = collectLogs(container);
      await initialise(container, "exports.main = () => { console.log('x'.repeat(100000)); return {}; };");
      await resultOf(invoke(container));
      await until(() => lines.filter(({ text }) => text.includes(SENTINEL)).length === 2);
      const text = lines.map((line) => line.text.replace(/\u0001.*\u0001/, '')).join('');
      expect(text.replaceAll(SENTINEL, '')).toBe('x'.repeat(100_000));
    });

    it('does not answer while it is paused, where it can be frozen, and answers once resumed', async () => {
      const container = await started(ECHO);
      await container.pause();
      const paused = await invoke(container, {}, { timeoutMs: 500 });
      expect(paused.outcome).toBe(sandbox().freezes ? 'timeout' : 'answered');
      await container.resume();
      expect(await resultOf(invoke(container, { a: 1 }))).toEqual({ echo: { a: 1 } });
    });

    it('is started anew after a halt, where it can be halted, as if nothing had been', async () => {
      const container = await factory.create(containerSpec());
      const lines = collectLogs(container);
      const code = `
        const fs = require('node:fs');
        const file = require('node:os').tmpdir() + '/mine';
        let runs = 0;
        exports.main = () => {
          console.log('run');
          const kept = fs.existsSync(file);
          fs.writeFileSync(file, 'x');
          return { runs: (runs += 1), kept };
        };`;
      await initialise(container, code);
      await resultOf(invoke(container));
      expect(await resultOf(invoke(container))).toEqual({ runs: 2, kept: true });
      expect(await container.halt()).toBe(sandbox().halts);
      if (!sandbox().halts) return expect(await resultOf(invoke(container))).toEqual({ runs: 3, kept: true });
      expect(await container.privateBytes()).toBe(0);
      await container.pause();
      await container.restart();
      await initialise(container, code);
      expect(await resultOf(invoke(container))).toEqual({ runs: 1, kept: false });
      await until(() => lines.filter(({ text }) => text.endsWith('run')).length === 3);
    });

    it('is removed by destroy while it is halted', async () => {
      const container = await started(ECHO);
      await container.halt();
      await container.destroy();
      await container.ended;
      expect(await sandbox().containers()).toEqual([]);
      expect(await invoke(container)).toMatchObject({ outcome: 'gone' });
    });

    it('is removed by destroy while it is started anew', async () => {
      const container = await started(ECHO);
      if (await container.halt()) void container.restart().catch(() => undefined);
      await container.destroy();
      await container.ended;
      expect(await sandbox().containers()).toEqual([]);
    });

    it('counts its private memory, and no longer once it has ended', async () => {
      const container = await started(
        'const kept = Buffer.alloc(64 * 1024 ** 2, 1); exports.main = () => ({ n: kept.length });',
      );
      await until(async () => Number(await container.privateBytes()) > 64 * MIB);
      expect(await container.privateBytes()).toBeLessThan(256 * MIB);
      await container.destroy();
      expect(await container.privateBytes()).toBeUndefined();
    });

    it('is removed for good by destroy, which may be called again', async () => {
      const container = await started(ECHO);
      await Promise.all([container.destroy(), container.destroy()]);
      await container.destroy();
      await container.ended;
      expect(await sandbox().containers()).toEqual([]);
      expect(await invoke(container)).toMatchObject({ outcome: 'gone' });
    });

    it('is removed by destroy while it is paused', async () => {
      const container = await started(ECHO);
      await container.pause();
      await container.destroy();
      expect(await sandbox().containers()).toEqual([]);
    });

    it('expected failure: an action that exceeds its memory is killed and reported as such', async () => {
      const container = await started(
        `exports.main = () => new Promise(() => {
           const all = [];
           setInterval(() => all.push(Buffer.alloc(16 * 1024 ** 2, 1)), 1);
         });`,
      );
      expect(await invoke(container)).toEqual({ outcome: 'out-of-memory' });
      await container.ended;
      expect(await sandbox().containers()).toEqual([]);
    });

    it('expected failure: an action that exits is gone, not out of memory', async () => {
      const container = await started('exports.main = () => process.exit(3);');
      expect(await invoke(container)).toEqual({ outcome: 'gone', reached: true });
      await container.ended;
      expect(await sandbox().containers()).toEqual([]);
    });

    it('expected failure: one that is killed is gone for the activation that it ran, and ends', async () => {
      const container = await started('exports.main = () => new Promise(() => {});');
      const reply = invoke(container);
      await sandbox().kill(container);
      expect(await reply).toEqual({ outcome: 'gone', reached: true });
      await container.ended;
    });

    it('expected failure: one that is killed while paused ends, and no activation reaches it', async () => {
      const container = await started(ECHO);
      await container.pause();
      await sandbox().kill(container);
      await container.ended;
      expect(await invoke(container)).toEqual({ outcome: 'gone', reached: false });
    });

    it('is one of several that are started at once, and all are gone when their factory is closed', async () => {
      const all = await Promise.all(Array.from({ length: 4 }, () => factory.create(containerSpec())));
      expect(await sandbox().containers()).toHaveLength(4);
      await Promise.all(all.map((container) => started(ECHO, Promise.resolve(container))));
      await factory.close();
      expect(await sandbox().containers()).toEqual([]);
    });

    it('expected failure: one that cannot be started is refused as such and leaves nothing behind', async () => {
      const wrong = sandbox().unstartable();
      await expect(wrong.create(containerSpec())).rejects.toMatchObject({ code: 'ERR_CONTAINER_START' });
      await wrong.close();
      expect(await sandbox().containers()).toEqual([]);
    });

    it("of an earlier run is removed by the next run, a paused one too, and nobody else's", async () => {
      const specs = [containerSpec(), containerSpec()];
      const earlier = sandbox().factory('7');
      const [, paused] = await Promise.all(specs.map((spec) => earlier.create(spec)));
      await paused?.pause();
      const others = sandbox().factory('77');
      const other = await others.create(containerSpec());

      const next = sandbox().factory('7');
      const tokens = await next.removeOrphans();
      expect(tokens.sort()).toEqual(specs.map(({ instance }) => instance).sort());
      // A process that was killed is there until the system has taken it apart.
      await until(async () => (await sandbox().containers()).length === 1, 'the earlier ones are gone');
      expect(await sandbox().containers()).toEqual([other.name]);
      await Promise.all([others.close(), next.close(), earlier.close()]);
    });
  });
}
