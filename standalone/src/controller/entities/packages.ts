/**
 * What a PUT makes of a package or binding. Pure. Source: `K/controller/Packages.scala`,
 * `C/core/entity/WhiskPackage.scala`.
 */
import { type Action, type Binding, bindingOf, type KeyValue, type Package } from '@tetris/common';
import { z } from 'zod';
import { RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { isEntityName } from './names';
import { checkSize, mergePairs, ParametersSchema, parsedPut, PUT_FIELDS, versionOf } from './put';

const NameSchema = z.string().refine(isEntityName, TEXTS.illegalName);
const PackagePutSchema = z.looseObject({
  ...PUT_FIELDS,
  parameters: ParametersSchema,
  binding: z.union([z.looseObject({ namespace: NameSchema, name: NameSchema }), z.strictObject({})]).nullish(),
});
export type PackagePut = z.infer<typeof PackagePutSchema>;

const RESERVED = 'default';

export interface PackageContext {
  namespace: string;
  name: string;
  present: Package | undefined;
  /** Largest parameters, and largest annotations, in bytes of JSON. */
  parameterBytesMax: number;
  nowMs: number;
}

/** @throws RestError 400 */
export function readPackagePut(name: string, body: unknown): PackagePut {
  if (name === RESERVED) throw new RestError(400, TEXTS.packageReserved(name));
  return parsedPut(PackagePutSchema, body);
}

/** The package that a PUT asks to be bound to; `_` is the namespace of the binding. */
export function wantedBinding({ binding }: PackagePut, namespace: string): Binding | undefined {
  const wanted = bindingOf({ binding: binding ?? {} });
  if (wanted === undefined) return undefined;
  return { namespace: wanted.namespace === '_' ? namespace : wanted.namespace, name: wanted.name };
}

/**
 * The package that a PUT stores: what an update leaves out is kept. The annotation `binding` is the server's own: lists
 * tell by it what is bound.
 * @throws RestError 409 where a package would become a binding, 413
 */
export function packageOf(put: PackagePut, context: PackageContext): Omit<Package, 'revision'> {
  const { namespace, name, present, nowMs, parameterBytesMax } = context;
  const wanted = wantedBinding(put, namespace);
  const bound = present === undefined ? undefined : bindingOf(present);
  if (wanted !== undefined && present !== undefined && bound === undefined) {
    throw new RestError(409, TEXTS.packageIsNoBinding);
  }
  const binding = wanted ?? bound;
  const given = mergePairs(put.annotations ?? present?.annotations ?? []).filter(({ key }) => key !== 'binding');
  const annotations = binding === undefined ? given : [...given, { key: 'binding', value: { ...binding } }];
  const parameters = mergePairs(put.parameters ?? present?.parameters ?? []);
  checkSize('parameters', parameters, parameterBytesMax);
  checkSize('annotations', given, parameterBytesMax);
  return {
    ...{ namespace, name },
    binding: binding ?? {},
    parameters,
    ...versionOf(put, present),
    annotations,
    updated: nowMs,
  };
}

/** An entry of a list. */
export function packageSummary({ namespace, name, version, publish, annotations, updated, ...rest }: Package): object {
  return { namespace, name, version, publish, annotations, updated, binding: bindingOf(rest) ?? false };
}

/** A package with what is in it; of a binding, with what is in the package behind it. */
export function packageContents(shown: Package, parameters: KeyValue[], actions: readonly Action[]): object {
  const { namespace, name, binding, version, publish, annotations, updated } = shown;
  const described = actions.map((action) => ({
    name: action.name,
    version: action.version,
    annotations: action.annotations,
  }));
  const isFeed = (one: { annotations: readonly KeyValue[] }): boolean =>
    one.annotations.some(({ key }) => key === 'feed');
  return {
    ...{ namespace, name, binding, parameters, version, publish, annotations, updated },
    actions: described.filter((one) => !isFeed(one)),
    feeds: described.filter(isFeed),
  };
}
