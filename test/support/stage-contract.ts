/** What every user of `store.stage()` keeps, whichever way its write ends. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanups } from '../../tensor-daemon/src/store/cleanups';
import { allocatedIn, hookFiles } from '../../tensor-daemon/src/store/files';
import type { StoreLayout } from '../../tensor-daemon/src/store/layout';
import { tmpfsFolder } from './daemon';
import { storeFaults } from './store-state';

/** A store, and one user's way to bring one model into it. */
export interface StageUser {
  layout: StoreLayout;
  cleanups: Cleanups;
  /** Bytes that its store counts. */
  countedBytes: () => number;
  /** Resolves when what it threw away is gone, or waits for another attempt. */
  emptied: () => Promise<void>;
  /** May reject, or not, where it fails; it leaves the model in the store where it does not. */
  write: (signal: AbortSignal) => Promise<unknown>;
}

/** Past every pause between two attempts at a removal. */
const LATER_MS = 1e9;

/** More file operations than any write takes. */
const OPERATIONS_MAX = 1_000;

/** @param open a user over a store in the folder, which is new, or as an earlier one has left it */
export function stageContract(name: string, open: (folder: string) => Promise<StageUser>): void {
  describe(`${name}, as a user of stages`, () => {
    let folder: string;
    beforeEach(() => (folder = tmpfsFolder('tetris-stage-')));
    afterEach(() => {
      hookFiles(undefined);
      rmSync(folder, { recursive: true, force: true });
    });

    const bytesOf = ({ layout }: StageUser): number => allocatedIn(layout.tensors) + allocatedIn(layout.models);
    const models = ({ layout }: StageUser): string[] => readdirSync(layout.models);
    const never = new AbortController().signal;

    /** Nothing is left of what did not become a model, and what is there is whole and counted. */
    const atRest = async (user: StageUser): Promise<void> => {
      await user.emptied();
      await user.cleanups.retry(LATER_MS);
      await user.emptied();
      expect({ faults: storeFaults(user.layout.root), pending: user.cleanups.pending }).toEqual({
        faults: [],
        pending: 0,
      });
      expect(user.countedBytes()).toBe(bytesOf(user));
    };

    /** Writes, and does something at the n-th file operation. @returns whether it came to that */
    const writeUntil = async (user: StageUser, nth: number, event: () => void, signal = never): Promise<boolean> => {
      let count = 0;
      hookFiles(() => {
        if (count++ === nth) event();
      });
      await user.write(signal).catch(() => undefined);
      hookFiles(undefined);
      return count > nth;
    };

    it('brings a model whole, and counts it', async () => {
      const user = await open(folder);
      await user.write(never);
      expect(models(user)).toHaveLength(1);
      await atRest(user);
    });

    it('leaves nothing uncounted at whichever file operation it fails, and can be tried again', async () => {
      for (let nth = 0; nth < OPERATIONS_MAX; nth++) {
        const user = await open(join(folder, `fails-${nth}`));
        const reached = await writeUntil(user, nth, () => {
          throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
        });
        expect(bytesOf(user)).toBeLessThanOrEqual(user.countedBytes());
        await atRest(user);
        await user.write(never);
        expect({ nth, models: models(user).length }).toEqual({ nth, models: 1 });
        await atRest(user);
        if (!reached) return;
      }
      throw new Error('it does not end');
    });

    it('leaves nothing wherever it is aborted', async () => {
      for (let nth = 0; nth < OPERATIONS_MAX; nth++) {
        const user = await open(join(folder, `aborted-${nth}`));
        const abort = new AbortController();
        const reached = await writeUntil(user, nth, () => abort.abort(), abort.signal);
        await atRest(user);
        if (!reached) return;
      }
      throw new Error('it does not end');
    });

    it('brings one model where two bring it at once', async () => {
      const user = await open(folder);
      await Promise.all([user.write(never), user.write(never)]);
      expect(models(user)).toHaveLength(1);
      await atRest(user);
    });
  });
}
