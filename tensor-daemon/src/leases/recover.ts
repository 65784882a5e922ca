import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LeaseTable } from './lease-table';
import type { Registrations } from '../store/registrations';
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
      if (store.catalog.model(name) !== undefined && store.hasView(instance, name)) return true;
      views.discard(join(folder, name));
      return false;
    });
    table.recover(instance, namespace, kept, deadlineMs);
  }
}
