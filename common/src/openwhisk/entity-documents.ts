/** Packages, triggers and rules of the `whisks` database. Source: `C/core/entity/Whisk{Package,Trigger,Rule}.scala`. */
import { z } from 'zod';
import { type KeyValue, KeyValueSchema } from './activation';

/** What every entity has. */
interface Described {
  /** The one that owns it; never a package. */
  namespace: string;
  name: string;
  version: string;
  /** Document revision. */
  revision: string;
  publish: boolean;
  /** Epoch ms. */
  updated: number;
  annotations: KeyValue[];
}

/** `path` is `namespace` or `namespace/package`. */
export interface EntityName {
  path: string;
  name: string;
}

export interface Binding {
  namespace: string;
  name: string;
}

export interface Package extends Described {
  parameters: KeyValue[];
  /** The package that this one stands for; `{}`: it is a package itself. */
  binding: Binding | Record<string, never>;
}

/** An `active` rule runs its action when its trigger is fired. */
export type RuleStatus = 'active' | 'inactive';

export interface Trigger extends Described {
  parameters: KeyValue[];
  /** Always empty. */
  limits: object;
  /** Its rules by `namespace/name`. */
  rules?: Record<string, { action: EntityName; status: RuleStatus }>;
}

export interface Rule extends Described {
  trigger: EntityName;
  action: EntityName;
}

/** Entities without code, by the `entityType` of their documents. */
export interface Entities {
  package: Package;
  trigger: Trigger;
  rule: Rule;
}
export type EntityType = keyof Entities;

/** The package behind a binding; undefined for a package. */
export const bindingOf = ({ binding }: Pick<Package, 'binding'>): Binding | undefined =>
  'name' in binding ? (binding as Binding) : undefined;

const DESCRIBED = {
  namespace: z.string(),
  name: z.string(),
  version: z.string(),
  publish: z.boolean().default(false),
  updated: z.number().default(0),
  annotations: z.array(KeyValueSchema).default([]),
};
export const EntityNameSchema = z.looseObject({ path: z.string(), name: z.string() });
const BindingSchema = z.union([z.object({ namespace: z.string(), name: z.string() }), z.strictObject({})]);
const ParametersSchema = z.array(KeyValueSchema).default([]);
const LinkedRuleSchema = z.looseObject({ action: EntityNameSchema, status: z.enum(['active', 'inactive']) });

/** What a document of each type holds, beside what the database adds. */
export const ENTITY_SCHEMAS = {
  package: z.looseObject({ ...DESCRIBED, parameters: ParametersSchema, binding: BindingSchema.default({}) }),
  trigger: z.looseObject({
    ...DESCRIBED,
    parameters: ParametersSchema,
    limits: z.looseObject({}).default({}),
    rules: z.record(z.string(), LinkedRuleSchema).optional(),
  }),
  rule: z.looseObject({ ...DESCRIBED, trigger: EntityNameSchema, action: EntityNameSchema }),
} as const;

/** The type of a document of `whisks`; old ones do not name it. Undefined for what is no entity. */
export function documentType(document: object): EntityType | 'action' | undefined {
  const { entityType, exec, binding, trigger, parameters } = document as Record<string, unknown>;
  if (typeof entityType === 'string') return TYPES.find((type) => type === entityType);
  if (exec !== undefined) return 'action';
  if (binding !== undefined) return 'package';
  if (trigger !== undefined) return 'rule';
  return parameters === undefined ? undefined : 'trigger';
}

const TYPES = ['action', 'package', 'trigger', 'rule'] as const;
