import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LeaseTable } from './lease-table';
import type { Registrations } from '../store/registrations';
import type { Model } from '../store/catalog';
import { GRAPH_FILE } from '../store/layout';
import type { Store } from '../store/store';
import type { Views } from '../store/views';

/**
 * After a restart nobody is connected. Views of registered instances stay, because the instances may live on and load
 * their models again; all others go: whoever uses one keeps what it has mapped, and leases anew for more.
 *
 * @param deadlineMs epoch ms by which the operator must have announced an instance again
 */
export function recoverInstances(
  store: Store,
  views: Views,
  registrations: Registrations,
  table: LeaseTable,
  deadlineMs: number,
): void {
  const registered = registrations.readAll();
  for (const instance of readdirSync(store.layout.views)) {
    if (!registered.has(instance)) views.removeInstance(instance);
  }
  for (const [instance, namespace] of registered) {
    const folder = views.addInstance(instance);
    const kept = readdirSync(folder).filter((name) => {
      if (isWhole(join(folder, name), store.catalog.model(name))) return true;
      views.discard(join(folder, name));
      return false;
    });
    table.recover(instance, namespace, kept, deadlineMs);
  }
}

/** Whether a view has all that its model needs: a loss of power may have taken some of it. */
function isWhole(path: string, model: Model | undefined): boolean {
  if (model === undefined) return false;
  const names = new Set(readdirSync(path));
  return [GRAPH_FILE, ...model.tensors.map(({ sha256 }) => sha256)].every((name) => names.has(name));
}
