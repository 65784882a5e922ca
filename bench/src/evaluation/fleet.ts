import { folderBytes } from '../measure/folder-bytes';
import { processMemory, processTree } from '../measure/process-memory';
import { StockProcess } from '../measure/stock-process';
import { ACTION_PATH, withBench } from '../runtime/bench';
import type { RunReport } from '../runtime/instances';
import { type ServedModel, type Work, workOn } from './served-model';

/** One instance of a function. */
export interface FleetInstance {
  run(work: Omit<Work, 'model' | 'vocabulary'>): Promise<RunReport>;
  stop(): Promise<void>;
}

/** A way to keep instances of functions on one machine; the action is the same in all of them. */
export interface Fleet {
  /** Starts one more instance, which has loaded nothing yet. */
  start(model: ServedModel): Promise<FleetInstance>;
  /** Of everything that the fleet needs: processes by proportional set size, and the store where it has one. */
  memoryBytes(): Promise<number>;
}

/** How a fleet is made, used and ended. */
export type WithFleet = <T>(use: (fleet: Fleet) => Promise<T>) => Promise<T>;

/** A large model takes a slow machine a while to prepare; meanwhile nobody loads one that is not shared. */
const PATIENT = { TETRIS_RUNTIME_SHARE_WAIT_MS: '600000' };

/** Instances of the action runtime beside a daemon. Models lie below the root. */
export const withTetris =
  (modelRoot: string, settings: Readonly<Record<string, string>> = {}): WithFleet =>
  (use) =>
    withBench(
      ({ instances, daemon, storePath }) => {
        const pids = new Set<number>([daemon.pid]);
        const start = async (model: ServedModel): Promise<FleetInstance> => {
          // As an action without annotations has it: one activation at a time.
          const instance = await instances.start({ room: 1 }, PATIENT);
          return {
            run: async (work) => {
              const report = await instance.run({ ...workOn(model), ...work });
              pids.add(report.pid);
              return report;
            },
            stop: () => instance.stop(),
          };
        };
        const memoryBytes = async (): Promise<number> =>
          processMemory(
            [...pids].flatMap((pid) => processTree(pid)),
            storePath,
          ).ownBytes + (await folderBytes(storePath));
        return use({ start, memoryBytes });
      },
      { modelRoot, settings },
    );

/** Plain processes. @param extra onnxruntime's own session options, by `section.key` */
export const withStock =
  (extra?: Readonly<Record<string, unknown>>): WithFleet =>
  async (use) => {
    const processes: StockProcess[] = [];
    const start = (model: ServedModel): Promise<FleetInstance> => {
      const stock = new StockProcess(ACTION_PATH, {}, { answerTimeoutMs: 300_000 });
      processes.push(stock);
      return Promise.resolve({
        run: (work) => stock.invoke<RunReport>({ ...workOn(model), extra, ...work }),
        stop: () => stock.stop(),
      });
    };
    const memoryBytes = (): Promise<number> =>
      Promise.resolve(processMemory(processes.flatMap(({ pid }) => processTree(pid))).ownBytes);
    try {
      return await use({ start, memoryBytes });
    } finally {
      await Promise.all(processes.map((stock) => stock.stop()));
    }
  };
