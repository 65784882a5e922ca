/**
 * Who stands behind an instance, and among whom it shares. Pure.
 *
 * Only the operator can vouch for a namespace, by registering the instance. What a caller says of itself counts for
 * listings alone: whoever is not registered belongs to no namespace, and shares with nobody where sharing is confined.
 */
export type Sharing = 'cluster' | 'namespace' | 'off';

export interface Tenant {
  /** The namespace that the operator vouches for; empty where nobody does. */
  readonly namespace: string;
  /**
   * Enters the keys of models and the names of tensors and uploads: what differs in it is never the same file. Empty:
   * shared by all.
   */
  readonly scope: string;
}

/** Everybody, where nothing is confined. */
export const ANYBODY: Tenant = { namespace: '', scope: '' };

const INSTANCE_SCOPE = 'instance:';

/** Whether a scope is one instance's own: nobody else, on this node or another, has what is in it. */
export function isOfOneInstance(scope: string): boolean {
  return scope.startsWith(INSTANCE_SCOPE);
}

/** @param instance its token; undefined where the caller has none, so that all such callers are alike */
export function tenantOf(sharing: Sharing, instance: string | undefined, namespace: string): Tenant {
  if (sharing === 'cluster') return { namespace, scope: '' };
  if (sharing === 'namespace' && namespace !== '') return { namespace, scope: `namespace:${namespace}` };
  return { namespace, scope: `${INSTANCE_SCOPE}${instance ?? ''}` };
}
