import type { Container, DockerFactory } from '@tetris/invoker-extension';
import { tarGz, zip } from '../support/archives';
import {
  collectLogs,
  containerSpec,
  dockerFactory,
  initialise,
  invoke,
  resultOf,
} from '../support/docker/action-container';
import { type Engine, ENGINE_TIMEOUT_MS, startEngine } from '../support/docker/engine';
import { inNamespace } from '../support/docker/namespace';
import { until } from '../support/until';

const MIB = 1024 ** 2;
const TEST_TIMEOUT_MS = 60_000;
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
const ECHO = 'exports.main = (params) => ({ echo: params });';

inNamespace(__filename, () => {
  jest.setTimeout(TEST_TIMEOUT_MS);
  let engine: Engine;
  let factory: DockerFactory;

  beforeAll(async () => {
    engine = await startEngine();
    await engine.runtimeImage();
    factory = dockerFactory(engine);
  }, ENGINE_TIMEOUT_MS);
  afterEach(() => factory.close());
  afterAll(() => engine.stop(), ENGINE_TIMEOUT_MS);

  /** Names of the engine's containers, running or not. */
  async function containers(): Promise<string[]> {
    const names = await engine.docker('ps', '--all', '--format', '{{.Names}}');
    return names.split('\n').filter((name) => name !== '');
  }

  async function started(code: string, create = factory.create(containerSpec())): Promise<Container> {
    const container = await create;
    await initialise(container, code);
    return container;
  }

  describe('a Docker container', () => {
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

    it('is neither root nor able to become it, and has a temporary folder', async () => {
      const container = await started(`
        const fs = require('node:fs');
        exports.main = () => {
          const status = fs.readFileSync('/proc/self/status', 'utf8');
          const field = (name) => new RegExp('^' + name + ':\\\\s+(\\\\S+)', 'm').exec(status)[1];
          fs.writeFileSync(require('node:os').tmpdir() + '/mine', 'x');
          return { user: process.getuid(), capabilities: Number('0x' + field('CapEff')), sealed: field('NoNewPrivs') };
        };`);
      expect(await resultOf(invoke(container))).toEqual({ user: 1000, capabilities: 0, sealed: '1' });
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

    it('does not answer while it is paused, and answers once resumed', async () => {
      const container = await started(ECHO);
      await container.pause();
      expect(await invoke(container, {}, { timeoutMs: 500 })).toEqual({ outcome: 'timeout' });
      await container.resume();
      expect(await resultOf(invoke(container, { a: 1 }))).toEqual({ echo: { a: 1 } });
    });

    it('counts its private memory, and no longer once it has ended', async () => {
      const container = await started(
        'const kept = Buffer.alloc(64 * 1024 ** 2, 1); exports.main = () => ({ n: kept.length });',
      );
      const bytes = await container.privateBytes();
      expect(bytes).toBeGreaterThan(64 * MIB);
      expect(bytes).toBeLessThan(256 * MIB);
      await container.destroy();
      expect(await container.privateBytes()).toBeUndefined();
    });

    it('is removed for good by destroy, which may be called again', async () => {
      const container = await started(ECHO);
      await Promise.all([container.destroy(), container.destroy()]);
      await container.destroy();
      await container.ended;
      expect(await containers()).toEqual([]);
      expect(await invoke(container)).toMatchObject({ outcome: 'gone' });
    });

    it('is removed by destroy while it is paused', async () => {
      const container = await started(ECHO);
      await container.pause();
      await container.destroy();
      expect(await containers()).toEqual([]);
    });
  });

  describe('the limits of a Docker container', () => {
    it('expected failure: an action that exceeds its memory is killed and reported as such', async () => {
      const container = await started(
        'exports.main = () => { const all = []; for (;;) all.push(Buffer.alloc(16 * 1024 ** 2, 1)); };',
      );
      expect(await invoke(container)).toEqual({ outcome: 'out-of-memory' });
      await container.ended;
    });

    it('expected failure: an action that exits is gone, not out of memory', async () => {
      const container = await started('exports.main = () => process.exit(3);');
      expect(await invoke(container)).toEqual({ outcome: 'gone', reached: true });
      await container.ended;
    });

    it('bounds the number of processes', async () => {
      const few = dockerFactory(engine, { keys: { dockerPidsMax: 64 } });
      const container = await started(
        `const { spawn } = require('node:child_process');
         exports.main = async () => {
           const one = () => new Promise((resolve) => {
             const child = spawn('sleep', ['30']);
             child.once('spawn', () => resolve(true)).once('error', () => resolve(false));
           });
           const all = await Promise.all(Array.from({ length: 100 }, one));
           return { running: all.filter(Boolean).length };
         };`,
        few.create(containerSpec()),
      );
      const { running } = await resultOf(invoke(container));
      expect(running).toBeGreaterThan(0);
      expect(running).toBeLessThan(64);
      await few.close();
    });

    it('sets what the extra arguments say', async () => {
      const extra = {
        ulimit: ['nofile=512:512'],
        sysctl: ['net.core.somaxconn=77'],
        'read-only': ['true'],
        tmpfs: ['/tmp:size=4m'],
      };
      const other = dockerFactory(engine, {
        keys: { dockerExtraArgs: JSON.stringify(extra), dockerExtraEnv: 'COLOUR=blue' },
      });
      const container = await started(
        `const fs = require('node:fs');
         const attempt = (path, bytes) => { try { fs.writeFileSync(path, Buffer.alloc(bytes)); return 'written'; } catch (error) { return error.code; } };
         exports.main = () => ({
           files: /Max open files\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'))[1],
           backlog: fs.readFileSync('/proc/sys/net/core/somaxconn', 'utf8').trim(),
           root: attempt('/home/node/x', 1),
           temporary: attempt('/tmp/x', 1),
           large: attempt('/tmp/y', 8 * 1024 ** 2),
           colour: process.env.COLOUR,
         });`,
        other.create(containerSpec()),
      );
      expect(await resultOf(invoke(container))).toEqual({
        files: '512',
        backlog: '77',
        root: 'EROFS',
        temporary: 'written',
        large: 'ENOSPC',
        colour: 'blue',
      });
      await other.close();
    });
  });

  describe('a Docker container that dies', () => {
    it('ends and is gone for the activation that it ran', async () => {
      const container = await started('exports.main = () => new Promise(() => {});');
      const reply = invoke(container);
      await engine.docker('kill', container.name);
      expect(await reply).toEqual({ outcome: 'gone', reached: true });
      await container.ended;
    });

    it('ends when it is killed while paused', async () => {
      const container = await started(ECHO);
      await container.pause();
      await engine.docker('kill', container.name);
      await container.ended;
      expect(await invoke(container)).toEqual({ outcome: 'gone', reached: false });
    });
  });

  describe('the Docker factory', () => {
    it('expected failure: says what the engine said, and leaves nothing behind', async () => {
      const wrong = dockerFactory(engine, { keys: { dockerImage: 'nobody/nothing:1' } });
      await expect(wrong.create(containerSpec())).rejects.toMatchObject({
        code: 'ERR_CONTAINER_START',
        message: expect.stringMatching(/did not start.*no such image/i),
      });
      const unstartable = dockerFactory(engine, { keys: { dockerNetwork: 'nowhere' } });
      await expect(unstartable.create(containerSpec())).rejects.toMatchObject({ code: 'ERR_CONTAINER_START' });
      expect(await containers()).toEqual([]);
    });

    it('expected failure: an engine that is not there', async () => {
      const lost = dockerFactory(engine, { keys: { dockerSocketPath: '/nonexistent/engine.sock' } });
      await expect(lost.create(containerSpec())).rejects.toMatchObject({ code: 'ERR_CONTAINER_START' });
    });

    it('starts more containers at once than may be created in parallel', async () => {
      const narrow = dockerFactory(engine, { keys: { dockerParallelCreates: 2 } });
      const all = await Promise.all(Array.from({ length: 5 }, () => narrow.create(containerSpec())));
      expect(await containers()).toHaveLength(5);
      await Promise.all(all.map((container) => started(ECHO, Promise.resolve(container))));
      await narrow.close();
      expect(await containers()).toEqual([]);
    });

    it("removes an earlier run's containers, paused ones too, and nobody else's", async () => {
      const specs = [containerSpec(), containerSpec()];
      const earlier = dockerFactory(engine, { invoker: '7' });
      const [, paused] = await Promise.all(specs.map((spec) => earlier.create(spec)));
      await paused?.pause();
      const other = await dockerFactory(engine, { invoker: '77' }).create(containerSpec());

      const tokens = await dockerFactory(engine, { invoker: '7' }).removeOrphans();
      expect(tokens.sort()).toEqual(specs.map(({ instance }) => instance).sort());
      expect(await containers()).toEqual([other.name]);
      await other.destroy();
    });
  });
});
