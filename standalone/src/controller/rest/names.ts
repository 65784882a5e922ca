import type { EntityName, Identity } from '@tetris/common';
import { isEntityName } from '../entities/names';
import type { Target } from '../resources/requests';
import { RestError } from '../rest-error';
import { TEXTS } from '../texts';

const NAME_CHARACTERS_MAX = 256;

/** @throws RestError 400 where it is no name of an entity */
export function entityName(text: string): string {
  if (isEntityName(text)) return text;
  const isLong = text.length > NAME_CHARACTERS_MAX;
  throw new RestError(
    400,
    isLong ? `Name segement longer than allowed: ${text.length} > ${NAME_CHARACTERS_MAX}.` : TEXTS.illegalName,
  );
}

/** A namespace out of an address; `_` is one's own. @throws RestError 400 */
export function namespaceOf(text: string, user: Identity): string {
  if (text === '_') return user.namespace.name;
  if (isEntityName(text)) return text;
  throw new RestError(400, TEXTS.illegalNamespace);
}

/** What an address names in a namespace. */
export interface NamedParams {
  namespace: string;
  name: string;
}

/** @throws RestError 400 */
export function targetOf({ namespace, name }: NamedParams, user: Identity): Target {
  return { namespace: namespaceOf(namespace, user), name: entityName(name) };
}

/** @throws RestError 400 */
export function actionNameOf(
  { namespace, package: parent, name }: NamedParams & { package?: string },
  user: Identity,
): EntityName {
  const root = namespaceOf(namespace, user);
  return { path: parent === undefined ? root : `${root}/${entityName(parent)}`, name: entityName(name) };
}
