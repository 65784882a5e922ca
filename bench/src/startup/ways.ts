/** Ways in which a function comes to its first answer. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cleanups, privateFolder } from '../demo/cleanups';
import { QUICKLY, STEM_MS } from '../instances/cold-answer';
import { type FirstAnswer, firstAnswer, stockFirstAnswer } from '../instances/first-answer';
import { type Bench, withBench } from '../runtime/bench';
import { freePort } from '../servers/server-process';

/** Each measures one first answer; what it needs beforehand is not counted. */
export type Round = () => Promise<FirstAnswer>;

/** Makes the rounds of a way possible, hands them to `use`, and undoes what it made. */
export type Way = (site: Site, use: (round: Round) => Promise<void>) => Promise<void>;

export interface Site {
  /** Of the model. */
  modelRoot: string;
  work: object;
  cleanups: Cleanups;
}

/** An instance of its own from nothing, with whatever the store has. */
const fresh =
  (bench: Bench, work: object, env: Readonly<Record<string, string>> = {}): Round =>
  () =>
    firstAnswer(bench, work, () => bench.instances.create(env));

/** Fills the store, the first time. */
async function filled(bench: Bench, work: object): Promise<void> {
  await (await bench.instances.start()).run(work);
  await bench.instances.stop();
}

export const WAYS = {
  /** A plain process. */
  stock: (site, use) => use(() => stockFirstAnswer(site.work)),

  /** The store is empty, and nobody else has the model: it is prepared for sharing first. */
  coldStore: ({ modelRoot, work }, use) =>
    withBench(
      (bench) =>
        use(async () => {
          await bench.daemon.operator.collect();
          return fresh(bench, work)();
        }),
      { modelRoot },
    ),

  /** The model has left the memory for the disk, whose pages are cached. */
  disk: async ({ modelRoot, work, cleanups }, use) => {
    const settings = { TETRIS_DAEMON_DISK_PATH: await privateFolder(tmpdir(), cleanups) };
    await withBench(
      async (bench) => {
        await filled(bench, work);
        await use(async () => {
          await bench.daemon.operator.collect();
          return fresh(bench, work)();
        });
      },
      { modelRoot, settings },
    );
  },

  /** Another node has the model prepared. */
  peer: async ({ modelRoot, work, cleanups }, use) => {
    const secretPath = join(await privateFolder(tmpdir(), cleanups), 'secret');
    writeFileSync(secretPath, randomBytes(32).toString('hex'), { mode: 0o600 });
    const secret = { TETRIS_DAEMON_PEER_SECRET_PATH: secretPath };
    const port = await freePort();
    const serving = { ...secret, TETRIS_DAEMON_PEER_LISTEN: `127.0.0.1:${port}` };
    const asking = { ...secret, TETRIS_DAEMON_PEERS: `http://127.0.0.1:${port}` };
    await withBench(
      async (one) => {
        await filled(one, work);
        await withBench(
          (two) =>
            use(async () => {
              await two.daemon.operator.collect();
              return fresh(two, work)();
            }),
          { modelRoot, settings: asking },
        );
      },
      { modelRoot, settings: serving },
    );
  },

  /** Others on the node have used the model. */
  warmStore: ({ modelRoot, work }, use) =>
    withBench(
      async (bench) => {
        await filled(bench, work);
        await use(fresh(bench, work));
      },
      { modelRoot },
    ),

  /** The same; it answers before packed weights are there. */
  twoPhase: ({ modelRoot, work }, use) =>
    withBench(
      async (bench) => {
        await filled(bench, work);
        await use(fresh(bench, work, QUICKLY));
      },
      { modelRoot },
    ),

  /** The same, and a container is there already. */
  stemCell: ({ modelRoot, work }, use) =>
    withBench(
      async (bench) => {
        await filled(bench, work);
        await use(async () => {
          const cell = await bench.instances.create(QUICKLY);
          await delay(STEM_MS);
          return firstAnswer(bench, work, () => Promise.resolve(cell));
        });
      },
      { modelRoot },
    ),

  /** The function's own instance is there, and has freed its sessions. */
  asleep: ({ modelRoot, work }, use) =>
    withBench(
      async (bench) => {
        const instance = await bench.instances.start({ room: 1 });
        await instance.run(work);
        await use(async () => {
          await instance.post('/sleep', {});
          const startMs = performance.now();
          const report = await instance.run(work);
          const answerMs = performance.now() - startMs;
          // What it reports as its load was its first.
          return { answerMs, stages: { firstRun: answerMs }, report: { ...report, loadMs: 0 } };
        });
      },
      { modelRoot },
    ),
} as const satisfies Record<string, Way>;

export type WayName = keyof typeof WAYS;
