import { type EntityName, fullyQualifiedName, type Identity } from '@tetris/common';
import type { Access } from '../access';
import { componentsOf } from '../entities/actions';
import type { SystemLimits } from '../limits';
import type { Resolution } from '../resolution';
import { ifThere, RestError } from '../rest-error';
import { TEXTS } from '../texts';

export interface SequenceCheckParts {
  access: Access;
  resolution: Resolution;
  limits: Pick<SystemLimits, 'sequenceActionsMax'>;
}

/**
 * Checks what a sequence consists of before it is stored: its user may use every component, each exists, none is or
 * contains the sequence itself, and all together are not too many. Source: `K/controller/Actions.scala`.
 * @param components undefined: the action is no sequence
 * @throws RestError 400, 403, 404
 */
export async function checkSequence(
  parts: SequenceCheckParts,
  user: Identity,
  sequence: EntityName,
  components: readonly EntityName[] | undefined,
): Promise<void> {
  if (components === undefined) return;
  for (const component of components) await parts.access.requireAction(user, component);
  await countActions(parts, fullyQualifiedName(sequence), components, 0);
}

/** Counts on from `count`: every action that would run. */
async function countActions(
  parts: SequenceCheckParts,
  sequence: string,
  components: readonly EntityName[],
  count: number,
): Promise<number> {
  const { resolution, limits } = parts;
  let total = count;
  for (const component of components) {
    const name = await ifThere(resolution.name(component));
    if (name === undefined) throw new RestError(400, TEXTS.componentNotFound);
    if (fullyQualifiedName(name) === sequence) throw new RestError(400, TEXTS.sequenceCyclic);
    const action = await ifThere(resolution.stored(name));
    if (action === undefined) throw new RestError(400, TEXTS.componentNotFound);
    const inner = componentsOf(action);
    total = inner === undefined ? total + 1 : await countActions(parts, sequence, inner, total);
    if (total > limits.sequenceActionsMax) throw new RestError(400, TEXTS.sequenceTooLong);
  }
  return total;
}
