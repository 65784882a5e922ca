/** Names of entities. Source: `C/core/entity/{EntityPath,FullyQualifiedEntityName}.scala`. */
import type { EntityName } from '@tetris/common';

const NAME = /^(?:[\w]|[\w][\w@ .&-]{0,254}[\w@.&-])$/;

export const isEntityName = (text: string): boolean => NAME.test(text);

/**
 * Parts of a path such as `/guest/vision/classify`, the default namespace `_` resolved; undefined for an illegal one.
 */
function partsOf(text: string, namespace: string): string[] | undefined {
  const [root = '', ...rest] = text.split('/').filter((part) => part !== '');
  const parts = [root === '_' ? namespace : root, ...rest];
  return parts.every(isEntityName) ? parts : undefined;
}

/** Is this a name, with or without namespace and package? */
export const isEntityPath = (text: string): boolean => partsOf(text, '_') !== undefined;

/**
 * Reads `{path, name}`, or `namespace[/package]/name` with or without a leading slash.
 * @param namespace stands for `_`
 * @returns undefined for anything else
 */
export function readEntityName(value: unknown, namespace: string): EntityName | undefined {
  const { path, name } = (value ?? {}) as { path?: unknown; name?: unknown };
  const text = typeof path === 'string' && typeof name === 'string' ? `${path}/${name}` : value;
  const parts = typeof text === 'string' ? partsOf(text, namespace) : undefined;
  if (parts === undefined || parts.length < 2 || parts.length > 3) return undefined;
  return { path: parts.slice(0, -1).join('/'), name: parts.at(-1) ?? '' };
}

/**
 * The action that a conductor names: `name` and `package/name` are its user's own, `/namespace/...` is anybody's.
 * @returns undefined where it names none
 */
export function readNextAction(value: unknown, namespace: string): EntityName | undefined {
  if (typeof value !== 'string') return undefined;
  const isQualified = value.startsWith('/') || value.split('/').length === 3;
  return readEntityName(isQualified ? value : `/${namespace}/${value}`, namespace);
}

/** The namespace that owns an entity. */
export const rootOf = (path: string): string => path.split('/')[0] ?? '';

export const isInPackage = ({ path }: EntityName): boolean => path.includes('/');
