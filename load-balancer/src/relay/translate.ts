/**
 * Acks on their way back to the controller: `instance` becomes the virtual invoker's id, the one that the controller
 * used; with any other it would return the slot to the wrong invoker. Everything else stays byte for byte.
 */
import { type InvokerInstanceId, invokerInstanceId } from '@tetris/common';
import type { ReceivedAck } from '../front-end';
import { spliceTopLevel } from './splice';

/** The id under which a virtual invoker pings and acks. @param userMemoryBytes promised to the controllers */
export function virtualInvokerId(instance: number, userMemoryBytes: number, name: string): InvokerInstanceId {
  return invokerInstanceId(instance, userMemoryBytes, `${name}${instance}`);
}

/** The ack with `instance` replaced, and nothing else. A result has none and stays as it is. */
export function translateAck(ack: ReceivedAck, instance: InvokerInstanceId): string {
  return ack.type === 'result' ? ack.text : spliceTopLevel(ack.text, { instance: JSON.stringify(instance) });
}

/** The same with the activation replaced by its id, for a topic that refused the whole one. */
export function translateShrunkAck(ack: ReceivedAck, instance: InvokerInstanceId): string {
  const id = JSON.stringify(ack.activationId);
  if (ack.type === 'completion') return translateAck(ack, instance);
  return spliceTopLevel(ack.text, {
    response: id,
    ...(ack.type === 'result' ? {} : { instance: JSON.stringify(instance) }),
  });
}
