import * as fs from 'node:fs';
import { join } from 'node:path';
import { LeaseTable } from '../../../tensor-daemon/src/lease/lease-table';
import { recoverInstances } from '../../../tensor-daemon/src/lease/recover';
import { publishTensors } from '../../../tensor-daemon/src/ingest/publish-tensors';
import { Registrations } from '../../../tensor-daemon/src/store/registrations';
import { Store } from '../../../tensor-daemon/src/store/store';
import { Views } from '../../../tensor-daemon/src/store/views';
import { tmpfsFolder } from '../../support/daemon';
import { testCleanups } from '../../support/store-world';
import { corpus } from '../../support/fuzz/corpus';
import { randomFrom, testSeed } from '../../support/random';
import { PowerLoss } from '../../support/power-loss';
import { storeFaults } from '../../support/store-state';

/** Told of each file operation of the code under test, after it; undefined while nobody follows. */
let follow: ((name: string, args: unknown[], result: unknown) => void) | undefined;

jest.mock('node:fs', () => {
  const actual = jest.requireActual<Record<string, unknown>>('node:fs');
  const followed = ['openSync', 'writeSync', 'closeSync', 'fsyncSync', 'linkSync', 'renameSync', 'unlinkSync'];
  const wrapped = [...followed, 'mkdirSync', 'writeFileSync', 'rmSync'].map((name) => {
    const original = actual[name] as (...args: unknown[]) => unknown;
    return [
      name,
      (...args: unknown[]): unknown => {
        const result = original(...args);
        follow?.(name, args, result);
        return result;
      },
    ];
  });
  return { ...actual, ...(Object.fromEntries(wrapped) as object) };
});

const RANDOM_STATES_PER_STEP = 5;
/** The two corners: every change of folders has survived, or none that was not synced. */
const ALL_KEPT = (below: number): number => below - 1;
const ALL_LOST = (): number => 0;
const KEY = 'd'.repeat(64);
const INSTANCE = 'instance-power-000';

function storeAt(path: string): Store {
  return new Store({ path, sync: 'always', inventoryLogMax: 10, nowMs: 1, cleanups: testCleanups() });
}

/** What a daemon does when it starts. */
async function recovered(path: string): Promise<Store> {
  const store = storeAt(path);
  store.recover();
  const limits = { leasesMax: 9, leasesPerInstanceMax: 9, leasesPerNamespaceMax: 9, modelsPerNamespaceMax: 9 };
  const table = new LeaseTable({ ...limits, instancesMax: 9 });
  recoverInstances(store, new Views(store.layout), new Registrations(store.layout.instances), table, 0);
  store.unlinkOrphans();
  await store.trash.emptied();
  return store;
}

describe('a store on a disk whose power fails', () => {
  const folder = tmpfsFolder('tetris-power-');
  afterAll(() => {
    follow = undefined;
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it('comes back whole from any state that the disk may be in, with every model whose publishing had ended', async () => {
    const seed = testSeed();
    const random = randomFrom(seed);
    const root = join(folder, 'store');
    const store = storeAt(root);
    const power = new PowerLoss(root);
    const open = new Map<number, string>();
    let busy = false;
    let steps = 0;
    /** The states to recover from, each with whether the model must be in it. */
    const states: { path: string; mustHave: boolean }[] = [];
    let published = false;

    const noteChange = (name: string, args: unknown[], result: unknown): void => {
      const [first, second] = args as [string, string];
      if (name === 'openSync') {
        open.set(result as number, first);
        if (args[1] !== 'r') power.written(first);
      } else if (name === 'writeSync') power.written(open.get(args[0] as number) ?? '');
      else if (name === 'fsyncSync') power.synced(open.get(args[0] as number) ?? '');
      else if (name === 'closeSync') open.delete(args[0] as number);
      else if (name === 'linkSync') power.linked(first, second);
      else if (name === 'renameSync') power.renamed(first, second);
      else if (name === 'unlinkSync') power.removed(first);
      else if (name === 'mkdirSync' && result !== undefined) power.folderMade(first);
      else if (name === 'mkdirSync' && !(args[1] as { recursive?: boolean } | undefined)?.recursive)
        power.folderMade(first);
      else if (name === 'writeFileSync') {
        power.written(first);
        if ((args[2] as { flush?: boolean } | undefined)?.flush === true) power.synced(first);
      } else if (name === 'rmSync' && result === undefined) {
        // Only of what is there: the code removes with force.
        if (first.startsWith(root)) tryRemoved(first);
      }
    };
    const tryRemoved = (path: string): void => {
      try {
        power.removed(path);
      } catch {
        // Its folder is gone already.
      }
    };
    follow = (name, args, result) => {
      if (busy) return;
      busy = true;
      try {
        noteChange(name, args, result);
        if (name === 'openSync' || name === 'closeSync') return;
        steps++;
        for (const choice of [ALL_KEPT, ALL_LOST, ...Array<typeof random>(RANDOM_STATES_PER_STEP).fill(random)]) {
          const path = join(folder, `state-${states.length}`);
          power.writeState(path, choice);
          states.push({ path, mustHave: published });
        }
      } finally {
        busy = false;
      }
    };

    const stage = store.stage();
    fs.writeFileSync(join(stage.work, 'optimized.onnx'), corpus(/^plain\.onnx$/)[0] ?? '');
    const limits = { tensorBytesMin: 8, graphBytesMax: 1e6, sync: true, scope: '', inputNames: ['features'] };
    const job = { stage: stage.files.path, tensorsFolder: store.layout.tensors, ...limits };
    const { tensors } = publishTensors(job, () => undefined);
    const names = { modelKey: KEY, name: 'model', source: KEY };
    const manifest = { format: 1 as const, ...names, ingestMs: 1, graphBytes: 1, tensors };
    stage.commit(manifest);
    published = true;
    busy = true;
    await stage.abort();
    busy = false;
    tryRemoved(stage.files.path);
    power.verify();
    new Registrations(store.layout.instances).write(INSTANCE, 'guest');
    const views = new Views(store.layout);
    await views.make(INSTANCE, KEY, tensors);
    follow = undefined;

    expect(tensors.length).toBeGreaterThan(2);
    expect(steps).toBeGreaterThan(30);
    let whole = 0;
    for (const { path, mustHave } of states) {
      const again = await recovered(path);
      const has = again.catalog.model(KEY) !== undefined;
      whole += Number(has);
      expect({ path, faults: storeFaults(path) }).toEqual({ path, faults: [] });
      if (mustHave) expect({ path, has }).toEqual({ path, has: true });
      fs.rmSync(path, { recursive: true });
    }
    expect(whole).toBeGreaterThan(0);
    expect(whole).toBeLessThan(states.length);
  });
});
