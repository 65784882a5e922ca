/**
 * Acks on their way back to the controller: `instance` becomes the virtual invoker's id, the one that the controller
 * used; with any other it would return the slot to the wrong invoker. Everything else stays byte for byte, but for one
 * flag.
 *
 * More than three system errors among the last ten acks make a controller take an invoker out of service, and a virtual
 * invoker is the whole fleet: what one real invoker lost must not turn away everybody. The fleet has booked the error
 * against the invoker that made it, and pings stop when none is left, so `isSystemError` stays true in health tests
 * only.
 */
import { type InvokerInstanceId, invokerInstanceId } from '@tetris/common';
import type { ReceivedAck } from '../front-end';
import { spliceTopLevel } from './splice';

/** The id under which a virtual invoker pings and acks. @param userMemoryBytes promised to the controllers */
export function virtualInvokerId(instance: number, userMemoryBytes: number, name: string): InvokerInstanceId {
  return invokerInstanceId(instance, userMemoryBytes, `${name}${instance}`);
}

/** The ack with `instance` replaced, and the flag of a user's activation. A result has neither and stays as it is. */
export function translateAck(ack: ReceivedAck, instance: InvokerInstanceId, healthTest = false): string {
  return ack.type === 'result' ? ack.text : spliceTopLevel(ack.text, replacements(ack, instance, healthTest));
}

/** The same with the activation replaced by its id, for a topic that refused the whole one. */
export function translateShrunkAck(ack: ReceivedAck, instance: InvokerInstanceId, healthTest = false): string {
  if (ack.type === 'completion') return translateAck(ack, instance, healthTest);
  return spliceTopLevel(ack.text, {
    response: JSON.stringify(ack.activationId),
    ...(ack.type === 'result' ? {} : replacements(ack, instance, healthTest)),
  });
}

function replacements(ack: ReceivedAck, instance: InvokerInstanceId, healthTest: boolean): Record<string, string> {
  return {
    instance: JSON.stringify(instance),
    ...(ack.isSystemError && !healthTest ? { isSystemError: 'false' } : {}),
  };
}
