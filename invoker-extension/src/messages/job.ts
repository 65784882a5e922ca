import { type Action, actionKey, type ActivationMessage, fullyQualifiedName, hasExtraLogging } from '@tetris/common';

/** A parsed activation with the action it asks for. */
export interface ActivationJob {
  message: ActivationMessage;
  action: Action;
  /** Epoch ms at which the message was taken from the topic. */
  arrivedMs: number;
  /** Epoch ms at which its transaction began, from which a latency objective counts. */
  startedMs: number;
}

/** The revision that runs, under which manifests and warm instances are known. */
export function revisionKey({ message, action }: ActivationJob): string {
  return actionKey(fullyQualifiedName(message.action), action.revision);
}

/** Activations of one group may share an instance: same action revision, same invoking namespace. */
export function groupKey(job: ActivationJob): string {
  return `${revisionKey(job)} ${job.message.user.namespace.name}`;
}

/** Fields that place a log line; logged at info only when the transid asks for extra logging. */
export function logFields({ transid, activationId, action }: ActivationMessage): Record<string, unknown> {
  return {
    transid: transid[0],
    activationId,
    action: fullyQualifiedName(action),
    ...(hasExtraLogging(transid) ? { extraLogging: true } : {}),
  };
}
