/**
 * Which invoker a node is. OpenWhisk's controllers address invokers by index, dense from 0, and the pods of a DaemonSet
 * have
 * none. So each node claims one, by a Lease named after it: creating an object of a name is what only one can do.
 */
import { PluginError } from '@tetris/common';
import { type KubernetesClient, statusOf } from './kubernetes-client';
import type { Lease, ObjectMeta } from './kubernetes-types';

export interface ClaimOptions {
  client: Pick<KubernetesClient, 'listLeases' | 'createLease' | 'getNode'>;
  node: string;
  /** Lowest index that may be claimed: those below belong to stock invokers. */
  first: number;
}

const CLAIM_LABEL = 'tetris.claim';
const CLAIM = 'invoker-index';
const CONFLICT = 409;
/** Nodes that may start at once and take an index away before it is claimed here. */
const ATTEMPTS_MAX = 1000;

/**
 * The index of a node: the one it has, or the lowest that nobody has. The Lease is the Node's, so the cluster removes
 * it
 * with the node, and nobody has to renew it.
 *
 * @throws PluginError `ERR_KUBERNETES_API`
 */
export async function claimIndex({ client, node, first }: ClaimOptions): Promise<number> {
  const { items } = await client.listLeases(`${CLAIM_LABEL}=${CLAIM}`);
  const mine = items.find(({ spec, metadata }) => spec.holderIdentity === node && indexOf(metadata) >= first);
  if (mine !== undefined) return indexOf(mine.metadata);
  const owner = (await client.getNode(node)).metadata;
  const taken = new Set(items.map(({ metadata }) => indexOf(metadata)));
  for (let index = first; index < first + ATTEMPTS_MAX; index += 1) {
    if (!taken.has(index) && (await claim(client, leaseOf(index, owner)))) return index;
  }
  throw new PluginError('ERR_KUBERNETES_API', `no index from ${first} on could be claimed for node ${node}`);
}

async function claim(client: ClaimOptions['client'], lease: Lease): Promise<boolean> {
  try {
    await client.createLease(lease);
    return true;
  } catch (error) {
    if (statusOf(error) === CONFLICT) return false;
    throw error;
  }
}

function leaseOf(index: number, { name, uid = '' }: ObjectMeta): Lease {
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: `tetris-invoker-${index}`,
      labels: { [CLAIM_LABEL]: CLAIM },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid, controller: false, blockOwnerDeletion: false }],
    },
    spec: { holderIdentity: name },
  };
}

const indexOf = ({ name }: ObjectMeta): number => Number(/-(\d+)$/.exec(name)?.[1] ?? -1);
