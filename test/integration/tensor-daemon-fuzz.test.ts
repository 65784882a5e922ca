/**
 * Mutated inputs against everything that reads bytes of strangers. `npm run fuzz -- --seconds N [--seed S]` runs the
 * same for longer. A finding prints its input; put it into `test/corpus/` with its fix.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buildModel, perceptron } from '@tetris/bench';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { corpus } from '../support/fuzz/corpus';
import { mutate } from '../support/fuzz/mutate';
import { randomFrom } from '../support/random';
import { parsers } from '../support/fuzz/parsers';
import { leaseText, rawConnection } from '../support/raw-socket';
import { until } from '../support/until';

const SEED = Number(process.env.TETRIS_FUZZ_SEED ?? randomBytes(4).readUInt32LE());
/** Of a longer run; 0: as many inputs as stated below. */
const SECONDS = Number(process.env.TETRIS_FUZZ_SECONDS ?? 0);

const PARSER_INPUTS = 204_000;
const SOCKET_INPUTS = 3_000;
const MODEL_INPUTS = 10;

/** One input that takes this long is a hang, on whatever machine. */
const HANG_MS = 10_000;
/** Requests under way at a time. */
const CONNECTIONS = 24;
/** Time for an answer: what is held open has been accepted. */
const ANSWER_MS = 30;

const TIMEOUT_MS = 120_000 + SECONDS * 2_000;

describe('fuzz', () => {
  const folder = tmpfsFolder('tetris-fuzz-');
  const daemon = new TestDaemon();
  mkdirSync(join(folder, 'uploads'));
  mkdirSync(join(folder, 'models'));
  beforeAll(() => process.stderr.write(`fuzz seed ${SEED}\n`));
  afterAll(async () => {
    await daemon.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const readers = parsers(folder);
  const shares = readers.reduce((sum, { share }) => sum + share, 0);

  /**
   * Runs until there were enough inputs, or in a longer run until its share of the time is over. @returns the inputs
   */
  const repeat = async (inputs: number, share: number, one: () => Promise<void>): Promise<number> => {
    const endMs = performance.now() + SECONDS * 1_000 * share;
    let count = 0;
    while (SECONDS > 0 ? performance.now() < endMs : count < inputs) {
      await one();
      count++;
    }
    return count;
  };

  let total = 0;
  it.each(readers)(
    'the reader of $name refuses what it cannot read with an error of its own, in no time',
    async ({ seeds, share, read, expected }) => {
      const files = corpus(seeds);
      const random = randomFrom(SEED);
      let refused = 0;
      const inputs = Math.ceil((PARSER_INPUTS * share) / shares);
      const count = await repeat(inputs, (0.6 * share) / shares, async () => {
        const input = mutate(files, random);
        const startMs = performance.now();
        try {
          await read(input, random);
        } catch (error) {
          refused++;
          if (!expected(error)) throw new Error(`finding: ${input.toString('base64')}`, { cause: error });
        }
        if (performance.now() - startMs > HANG_MS) throw new Error(`hang: ${input.toString('base64')}`);
      });
      total += count;
      // Mutants that are all refused, or none, would test little.
      expect(refused).toBeGreaterThan(0);
      expect(refused).toBeLessThan(count);
    },
    TIMEOUT_MS,
  );

  it('has read at least 200,000 inputs so far, or as many as a longer run has time for', () => {
    if (SECONDS === 0) expect(total).toBeGreaterThanOrEqual(200_000);
    else expect(total).toBeGreaterThan(0);
  });

  /** Every name in the store with size and links, but for uploads, which go by themselves. */
  const storeTree = (): string[] =>
    namesUnder(daemon.store)
      .filter((name) => !name.startsWith('uploads/') && !name.startsWith('scratch/'))
      .flatMap((name) => {
        const stats = statSync(join(daemon.store, name), { throwIfNoEntry: false });
        // A view whose lease has just ended goes while we look.
        if (stats === undefined) return [];
        return [`${name} ${stats.mode} ${name.includes('/') ? `${stats.size} ${stats.nlink}` : ''}`];
      })
      .sort();

  it(
    'the daemon survives mutated requests on its instance socket, and its store is what it was',
    async () => {
      const model = await buildModel(perceptron('fuzzed'), join(folder, 'models'));
      await daemon.start({
        modelRoots: join(folder, 'models'),
        uploadTtlMs: 200,
        connectionPendingMs: 2_000,
        uploadIdleMs: 1_000,
      });
      await daemon.operator.registerInstance('instance-fuzz-00000', { namespace: 'guest' });
      const held = await daemon.client.lease({ source: fileSource(model.path), instance: 'instance-fuzz-00000' });
      const { pid } = daemon;
      const before = storeTree();
      const good = leaseText({ source: fileSource(model.path), instance: 'instance-other-0000' });
      const files = [...corpus(/\.http$/), Buffer.from(good)];
      const random = randomFrom(SEED);
      const one = async (): Promise<void> => {
        const { socket, closed } = await rawConnection(join(daemon.folder, 'instance.sock'), mutate(files, random));
        const timer = setTimeout(() => socket.destroy(), ANSWER_MS);
        if (random(3) === 0) socket.end();
        await closed;
        clearTimeout(timer);
      };
      await repeat(SOCKET_INPUTS / CONNECTIONS, 0.3, async () => {
        await Promise.all(Array.from({ length: CONNECTIONS }, one));
      });
      const quiet = async (): Promise<boolean> => {
        const { leases, instances } = await daemon.operator.totals();
        return leases === 1 && instances === 1 && daemon.files('uploads').length === 0;
      };
      await until(quiet, 'one lease is left, and no upload');
      await until(() => storeTree().join('\n') === before.join('\n'), 'the store is what it was').catch(() =>
        expect(storeTree()).toEqual(before),
      );
      expect([daemon.pid, await daemon.client.health()]).toMatchObject([pid, { state: 'ready' }]);
      held.release();
    },
    TIMEOUT_MS,
  );

  it(
    'mutated models are ingested whole or not at all',
    async () => {
      const [plain = Buffer.alloc(0)] = corpus(/^plain\.onnx$/);
      const random = randomFrom(SEED);
      // Names: a folder that a view of before leaves meanwhile changes its size.
      const names = (): string[] => namesUnder(daemon.store).filter((name) => /^(views|instances)\//.test(name));
      const before = names();
      await repeat(MODEL_INPUTS, 0.1, async () => {
        // Some with one bit of a weight changed, which makes another model of it, and no bad one.
        const weight = Buffer.from(plain);
        const at = plain.length - 120 + random(8);
        weight[at] = (weight[at] ?? 0) ^ 1;
        const { sha256 } = await daemon.client.upload(random(3) === 0 ? weight : mutate([plain], random));
        const lease = await daemon.client.lease({ source: { kind: 'digest', sha256 } }).catch((error: unknown) => {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(MODEL_|INGEST_)/) });
        });
        if (lease === undefined) return;
        expect(readFileSync(daemon.viewPath(lease.view)).length).toBeGreaterThan(0);
        lease.release();
        await until(async () => (await daemon.operator.totals()).leases === 0);
      });
      await daemon.operator.collect();
      await until(() => daemon.files('scratch').length === 0, 'no scratch is left');
      // Nobody holds anything now: at most what was there before, less what has been collected.
      expect(names().filter((name) => !before.includes(name))).toEqual([]);
      expect(daemon.files('models')).toEqual([]);
      expect(daemon.files('tensors')).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

/** Names below a folder, relative to it; those that go meanwhile are left out. */
function namesUnder(folder: string, prefix = ''): string[] {
  try {
    return readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
      const name = join(prefix, entry.name);
      return entry.isDirectory() ? [name, ...namesUnder(folder, name)] : [name];
    });
  } catch {
    return [];
  }
}
