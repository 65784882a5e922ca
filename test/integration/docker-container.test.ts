import type { Container, DockerFactory } from '@tetris/invoker-extension';
import { containerContract } from '../support/container-contract';
import { containerSpec, dockerFactory, initialise, invoke, resultOf } from '../support/docker/action-container';
import { engineOfTests } from '../support/docker/engine';
import { inNamespace } from '../support/docker/namespace';

const TEST_TIMEOUT_MS = 60_000;

inNamespace(__filename, () => {
  jest.setTimeout(TEST_TIMEOUT_MS);
  const engine = engineOfTests();
  let factory: DockerFactory;

  beforeAll(() => {
    factory = dockerFactory(engine());
  });
  afterEach(() => factory.close());

  /** Names of the engine's containers, running or not. */
  async function containers(): Promise<string[]> {
    const names = await engine().docker('ps', '--all', '--format', '{{.Names}}');
    return names.split('\n').filter((name) => name !== '');
  }

  async function started(code: string, create = factory.create(containerSpec())): Promise<Container> {
    const container = await create;
    await initialise(container, code);
    return container;
  }

  containerContract('Docker container', () => ({
    factory: (invoker) => dockerFactory(engine(), { ...(invoker && { invoker }), keys: { dockerParallelCreates: 2 } }),
    unstartable: () => dockerFactory(engine(), { keys: { dockerNetwork: 'nowhere' } }),
    containers,
    kill: async ({ name }) => void (await engine().docker('kill', name)),
    freezes: true,
    halts: false,
  }));

  describe('the confinement of a Docker container', () => {
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

    it('bounds the number of processes', async () => {
      const few = dockerFactory(engine(), { keys: { dockerPidsMax: 64 } });
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
      const other = dockerFactory(engine(), {
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

  describe('the Docker factory', () => {
    it('expected failure: says what the engine said, and leaves nothing behind', async () => {
      const wrong = dockerFactory(engine(), { keys: { dockerImage: 'nobody/nothing:1' } });
      await expect(wrong.create(containerSpec())).rejects.toMatchObject({
        code: 'ERR_CONTAINER_START',
        message: expect.stringMatching(/did not start.*no such image/i),
      });
      expect(await containers()).toEqual([]);
    });

    it('expected failure: an engine that is not there', async () => {
      const lost = dockerFactory(engine(), { keys: { dockerSocketPath: '/nonexistent/engine.sock' } });
      await expect(lost.create(containerSpec())).rejects.toMatchObject({ code: 'ERR_CONTAINER_START' });
    });
  });

  describe('the image of the services', () => {
    it.each(['tensor-daemon', 'invoker-extension', 'load-balancer'])(
      'has %s as the chart starts it',
      async (program) => {
        const image = await engine().servicesImage();
        const main = `/opt/tetris/node_modules/@tetris/${program}/dist/main.js`;
        // A key that there is not ends each at once, after everything is loaded.
        const variable = { 'tensor-daemon': 'DAEMON', 'invoker-extension': 'INVOKER' }[program] ?? 'BALANCER';
        const wrong = engine().docker(
          'run',
          '--rm',
          '--read-only',
          '--env',
          `TETRIS_${variable}_NONSENSE=1`,
          image,
          'node',
          main,
        );
        await expect(wrong).rejects.toThrow(`TETRIS_${variable}_NONSENSE: no such key`);
      },
    );
  });
});
