/**
 * The stock listing views, for databases that no stock deployment has prepared. Existing design documents are left
 * alone. The functions run inside CouchDB, whose JavaScript may be of 2011, hence their form.
 */

import type { EntityType } from '../openwhisk/entity-documents';

/** Key `[namespace, updated]`; a packaged action is found under its package and under its namespace. */
const ACTIONS_MAP = `function (doc) {
  if (doc.entityType !== 'action') return;
  var root = doc.namespace.split('/')[0];
  emit([doc.namespace, doc.updated], null);
  if (root !== doc.namespace) emit([root, doc.updated], null);
}`;

/** Key `[namespace, updated]`. */
const mapOf = (condition: string): string => `function (doc) {
  if (${condition}) emit([doc.namespace, doc.updated], null);
}`;

/** Key `[namespace, start]`. */
const ACTIVATIONS_MAP = `function (doc) {
  if (doc.activationId !== undefined) emit([doc.namespace, doc.start], null);
}`;

/** Key `[namespace/package/name or namespace/name, start]`; the package is that of the binding, else of the path. */
const ACTIVATIONS_BY_NAME_MAP = `function (doc) {
  if (doc.activationId === undefined) return;
  var parts = {};
  (doc.annotations || []).forEach(function (pair) {
    if (typeof pair.value === 'string') parts[pair.key] = pair.value.split('/');
  });
  var inPackage = parts.binding || (parts.path && parts.path.length === 3 ? parts.path : undefined);
  emit([doc.namespace + '/' + (inPackage ? inPackage[1] + '/' : '') + doc.name, doc.start], null);
}`;

/** Key: a namespace. */
const BLOCKED_NAMESPACES_MAP = `function (doc) {
  var limits = /^(.*)\\/limits$/.exec(doc._id);
  if (limits && (doc.concurrentInvocations === 0 || doc.invocationsPerMinute === 0)) emit(limits[1], null);
  if (doc.subject && doc.blocked === true) {
    (doc.namespaces || []).forEach(function (namespace) { emit(namespace.name, null); });
  }
}`;

const view = (map: string): { map: string; reduce: string } => ({ map, reduce: '_count' });

/** A view by its design document's name and its own. */
export interface ViewName {
  design: string;
  view: string;
}

export const ACTIONS_VIEW: ViewName = { design: 'whisks.v2.1.0', view: 'actions' };
const ENTITIES_DESIGN = ACTIONS_VIEW.design;
/** The views of entities without code, by type. */
export const ENTITY_VIEWS: Readonly<Record<EntityType, ViewName>> = {
  package: { design: ENTITIES_DESIGN, view: 'packages' },
  trigger: { design: ENTITIES_DESIGN, view: 'triggers' },
  rule: { design: ENTITIES_DESIGN, view: 'rules' },
};
export const PUBLIC_PACKAGES_VIEW: ViewName = { design: ENTITIES_DESIGN, view: 'packages-public' };
export const ACTIVATIONS_VIEW: ViewName = { design: 'whisks.v2.1.0', view: 'activations' };
export const ACTIVATIONS_BY_NAME_VIEW: ViewName = { design: 'whisks-filters.v2.1.1', view: 'activations' };
/** Source: `C/core/database/NamespaceBlacklist` reads it in every stock invoker. */
export const BLOCKED_NAMESPACES_VIEW: ViewName = { design: 'namespaceThrottlings', view: 'blockedNamespaces' };

/** Design documents by database. */
export const DESIGN_DOCUMENTS: Readonly<Record<'whisks' | 'activations' | 'subjects', Record<string, object>>> = {
  whisks: {
    [ENTITIES_DESIGN]: {
      actions: view(ACTIONS_MAP),
      packages: view(mapOf("doc.entityType === 'package'")),
      'packages-public': view(mapOf("doc.entityType === 'package' && doc.publish && !doc.binding.name")),
      triggers: view(mapOf("doc.entityType === 'trigger'")),
      rules: view(mapOf("doc.entityType === 'rule'")),
    },
  },
  activations: {
    [ACTIVATIONS_VIEW.design]: { activations: view(ACTIVATIONS_MAP) },
    [ACTIVATIONS_BY_NAME_VIEW.design]: { activations: view(ACTIVATIONS_BY_NAME_MAP) },
  },
  subjects: { [BLOCKED_NAMESPACES_VIEW.design]: { blockedNamespaces: view(BLOCKED_NAMESPACES_MAP) } },
};
