import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { hookFiles, type FileOperation } from '../../../tensor-daemon/src/store/files';
import { KEYS, MODELS, StoreWorld } from '../../support/store-world';

/** Interleavings; with TEST_SEED and TEST_PATH, as a failure prints them, one is walked again. */
const RUNS = 1_000;
const COMMANDS_MAX = 24;
const CODES = ['EIO', 'EROFS', 'EISDIR', 'ENOSPC'];
const OPERATIONS: FileOperation[] = ['link', 'list', 'make', 'remove', 'rename', 'stat', 'unlink', 'write'];

/** Past every pause between two attempts at a removal, and past the grace of instances. */
const LONG_MS = 1_000;

/** Leases are made beside whatever comes next: a command begins things, and seldom waits for them. */
type Command = fc.AsyncCommand<object, StoreWorld>;

/** Errors that a caller may be given; anything else is a defect, whatever file operation has failed. */
function tolerate(call: Promise<unknown>): void {
  call.catch((error: unknown) => {
    const { code = '' } = error as { code?: string };
    if (!code.startsWith('ERR_') && !CODES.includes(code) && !/hung up/.test(String(error))) throw error;
  });
}

/** A command that keeps no model: what must hold is checked of the folders themselves. */
function command(name: string, run: (world: StoreWorld) => unknown): Command {
  return {
    check: () => true,
    run: async (_model, world) => {
      await run(world);
      await nextTurn();
      // At any time, in the midst of whatever is under way.
      expect(world.uncounted()).toEqual([]);
    },
    toString: () => name,
  };
}

function failNext(operation: FileOperation, code: string, skip: number, count: number): void {
  let [skipped, failed] = [0, 0];
  hookFiles((current, path) => {
    if (current !== operation || skipped++ < skip || failed++ >= count) return;
    throw Object.assign(new Error(`${code}: ${operation} '${path}'`), { code });
  });
}

const index = fc.nat(MODELS.length - 1);
const instance = fc.nat(3).map((number) => `instance-number-${number}`);
const choice = fc.nat(100);
const pick = <T>(items: Iterable<T>, at: number): T | undefined => [...items][at % Math.max(1, [...items].length)];

const commands = fc.commands(
  [
    fc.tuple(instance, index).map(([who, which]) => {
      return command(`lease(${who}, ${which})`, (world) => tolerate(world.lease(who, which)));
    }),
    fc.tuple(instance, index).map(([who, which]) => {
      return command(`uploadAndLease(${who}, ${which})`, (world) => {
        tolerate(world.upload(which).then(() => world.lease(who, which)));
      });
    }),
    choice.map((at) => command(`hangUpWaiting(${at})`, (world) => world.hangUp(pick(world.asking, at)))),
    choice.map((at) => command(`hangUpHolder(${at})`, (world) => world.hangUp(pick(world.holders.keys(), at)))),
    fc.tuple(index, fc.boolean()).map(([which, hangUp]) => {
      return command(`upload(${which}, ${hangUp})`, (world) => tolerate(world.upload(which, { hangUp })));
    }),
    choice.map((at) => {
      return command(`abortIngest(${at})`, (world) => {
        const row = pick(world.ingest.list(), at);
        if (row !== undefined) world.ingest.abort(row.ingestId);
      });
    }),
    fc
      .nat(200_000)
      .map((bytes) => command(`reclaim(${bytes})`, (world) => tolerate(world.call(world.reclaimer.free(bytes))))),
    fc.nat(150).map((ms) => command(`sweep(${ms})`, (world) => tolerate(world.call(world.sweep(ms))))),
    instance.map((who) => {
      return command(`register(${who})`, (world) => {
        tolerate((async () => world.leases.registerInstance(who, 'guest'))());
      });
    }),
    instance.map((who) =>
      command(`release(${who})`, (world) => tolerate(world.call(world.leases.releaseInstance(who)))),
    ),
    fc
      .tuple(fc.constantFrom(...OPERATIONS), fc.constantFrom(...CODES), fc.nat(6), fc.integer({ min: 1, max: 4 }))
      .map(([operation, code, skip, count]) => {
        return command(`fail(${operation}, ${code}, ${skip}, ${count})`, () => failNext(operation, code, skip, count));
      }),
    fc.constant(
      command('kill', async (world) => {
        hookFiles(undefined);
        await world.kill();
      }),
    ),
    fc.nat(3).map((turns) => {
      return command(`wait(${turns})`, async () => {
        for (let turn = 0; turn < turns; turn++) await nextTurn();
      });
    }),
  ],
  { maxCommands: COMMANDS_MAX },
);

/** Everything under way ends, the disk is well again, and time passes. */
async function settled(world: StoreWorld): Promise<void> {
  hookFiles(undefined);
  await world.rest();
  for (let round = 0; round < 4; round++) {
    await world.sweep(LONG_MS);
    await world.rest();
  }
}

describe('a store under random interleavings and failing file operations', () => {
  const seed = Number(process.env.TEST_SEED ?? randomBytes(4).readInt32LE());
  const path = process.env.TEST_PATH;
  const parameters = { seed, numRuns: path === undefined ? RUNS / 2 : 1, ...(path !== undefined && { path }) };
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);

  beforeAll(() => {
    process.stderr.write(`store walk seed ${seed}\n`);
    process.on('unhandledRejection', note);
  });
  afterAll(() => {
    hookFiles(undefined);
    process.removeListener('unhandledRejection', note);
  });

  const check = async (world: StoreWorld): Promise<void> => {
    await settled(world);
    expect(world.faults()).toEqual([]);
    expect(world.store.cleanups.pending).toBe(0);
    expect(world.ingest.list()).toEqual([]);
    for (const holder of [...world.holders.keys()]) world.hangUp(holder);
    for (const { instance: who } of world.leases.instances()) await world.leases.releaseInstance(who);
    await settled(world);
    await world.reclaimer.free(Infinity);
    await world.rest();
    expect(world.faults()).toEqual([]);
    expect(world.store.catalog.bytes).toBe(0);
    expect(world.reclaimer.bytes).toBe(0);
    expect(KEYS.map((key) => world.table.modelUses(key))).toEqual(KEYS.map(() => 0));
    expect(unhandled).toEqual([]);
  };

  it('counts every byte, has a lease for every view and a link for every reference, one command after the other', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (given) => {
        const world = new StoreWorld({ bytesMax: 120_000 });
        try {
          await fc.asyncModelRun(() => ({ model: {}, real: world }), given);
          await check(world);
        } finally {
          hookFiles(undefined);
          await world.dispose();
        }
      }),
      parameters,
    );
  }, 300_000);

  it('does so too where a scheduler chooses which of several ingests gets on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), commands, async (scheduler, given) => {
        const world = new StoreWorld({ bytesMax: 120_000 });
        let walking = true;
        world.pause = () => (walking ? scheduler.schedule(Promise.resolve()) : nextTurn());
        try {
          await fc.scheduledModelRun(scheduler, () => ({ model: {}, real: world }), given);
          walking = false;
          await scheduler.waitIdle();
          await check(world);
        } finally {
          hookFiles(undefined);
          await world.dispose();
        }
      }),
      parameters,
    );
  }, 300_000);
});
