import type { Action, EntityStore, Package } from '@tetris/common';
import { SYSTEM } from '../identities';
import type { SystemLimits } from '../limits';
import { DEFAULT_NODE_KIND } from '../manifest';
import { ifThere } from '../rest-error';
import { UTILS } from './utils';

const PACKAGE = 'utils';
const PATH = `${SYSTEM.name}/${PACKAGE}`;

/** Puts `whisk.system/utils` into the store, where it is not there as it should be. */
export async function installSystemPackages(store: EntityStore, limits: SystemLimits, nowMs: number): Promise<void> {
  const described = { version: '0.0.1', publish: true, updated: nowMs };
  if ((await ifThere(store.getEntity('package', PATH))) === undefined) {
    const annotations = [{ key: 'description', value: 'Building blocks that format and assemble data' }];
    const utils = { namespace: SYSTEM.name, name: PACKAGE, ...described, parameters: [], binding: {}, annotations };
    await store.putEntity('package', utils satisfies Omit<Package, 'revision'>);
  }
  const { timeout, memory, logs, concurrency } = limits;
  for (const { name, description, parameters, code } of UTILS) {
    const present = await ifThere(store.getAction(`${PATH}/${name}`));
    if (present?.exec.code === code) continue;
    const action: Omit<Action, 'revision'> = {
      ...{ namespace: PATH, name, ...described, parameters: [] },
      exec: { kind: DEFAULT_NODE_KIND, code, binary: false },
      annotations: [
        { key: 'description', value: description },
        { key: 'parameters', value: parameters.map((each) => ({ name: each })) },
        { key: 'provide-api-key', value: false },
        { key: 'exec', value: DEFAULT_NODE_KIND },
      ],
      limits: { timeout: timeout.std, memory: memory.std, logs: logs.std, concurrency: concurrency.std },
    };
    await store.putAction(action, present?.revision);
  }
}
