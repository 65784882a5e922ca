import {
  type Action,
  type ActivationMessage,
  type EntityStore,
  type Identity,
  newActivationId,
  type TransactionId,
} from '@tetris/common';
import { randomUUID } from 'node:crypto';
import { ifThere } from '../rest-error';

const NAMESPACE = 'whisk.system';
const nameOf = (controller: string): string => `invokerHealthTestAction${controller}`;

/** Recognised in acks by equality, start included: it must come back verbatim. */
export function healthTransid(nowMs: number): TransactionId {
  return ['sid_invokerHealth', nowMs];
}

export function healthIdentity(): Identity {
  const uuid = randomUUID();
  const rights = ['READ', 'PUT', 'DELETE', 'ACTIVATE'];
  return { subject: NAMESPACE, namespace: { name: NAMESPACE, uuid }, authkey: {}, rights, limits: {} };
}

/** The probe: non-blocking, without content and revision. */
export function healthTest(controller: string, transid: TransactionId, user: Identity): ActivationMessage {
  return {
    transid: [...transid],
    action: { path: NAMESPACE, name: nameOf(controller), version: '0.0.1' },
    revision: null,
    user,
    activationId: newActivationId(),
    rootControllerIndex: { asString: controller, instanceType: 'controller' },
    blocking: false,
    initArgs: [],
    lockedArgs: {},
  };
}

/** Writes the identity function that the probe invokes, as each controller does at its start. */
export async function putHealthTestAction(
  store: EntityStore,
  controller: string,
  kind: string,
  memoryMb: number,
  nowMs: number,
): Promise<void> {
  const action: Omit<Action, 'revision'> = {
    namespace: NAMESPACE,
    name: nameOf(controller),
    version: '0.0.1',
    publish: false,
    updated: nowMs,
    exec: { kind, code: 'function main(params) { return params; }', binary: false },
    parameters: [],
    annotations: [],
    limits: { timeout: 60_000, memory: memoryMb, logs: 0, concurrency: 1 },
  };
  const present = await ifThere(store.getAction(`${NAMESPACE}/${action.name}`));
  await store.putAction(action, present?.revision);
}
