/** Controllers and invokers -> `events`. Source: `C/core/connector/Message.scala` EventMessage. */
import { z } from 'zod';
import { type Activation, EVENT_STATUS_WORDS, valueOf } from './activation';
import { parseMessage } from './parse';

/** Durations in ms, memory in MB. `initTime` 0 means a warm start. */
const ActivationEventSchema = z.looseObject({
  name: z.string(),
  activationId: z.string(),
  statusCode: z.number().int(),
  duration: z.number(),
  waitTime: z.number(),
  initTime: z.number(),
  kind: z.string(),
  conductor: z.boolean(),
  memory: z.number(),
  causedBy: z.string().nullish(),
  size: z.number().nullish(),
  userDefinedStatusCode: z.number().nullish(),
});
const MetricEventSchema = z.looseObject({ metricName: z.string(), metricValue: z.number() });

export const EventMessageSchema = z.looseObject({
  source: z.string(),
  body: z.union([MetricEventSchema, ActivationEventSchema]),
  subject: z.string(),
  namespace: z.string(),
  userId: z.string(),
  eventType: z.enum(['Activation', 'Metric']),
  timestamp: z.number(),
});
export type EventMessage = z.infer<typeof EventMessageSchema>;

/** @throws PluginError `ERR_MESSAGE_INVALID` */
export const readEvent = (value: Buffer | string): EventMessage =>
  parseMessage(EventMessageSchema, value, 'EventMessage');

/**
 * The event of a finished activation. Undefined where the record has no `path` or `kind` annotation, as in stock.
 * @param source `invoker3` @param userId uuid of the invoking namespace
 */
export function activationEvent(
  activation: Activation,
  source: string,
  userId: string,
  nowMs: number,
): EventMessage | undefined {
  const annotation = (key: string): unknown => valueOf(activation.annotations, key);
  const name = annotation('path');
  const kind = annotation('kind');
  if (typeof name !== 'string' || typeof kind !== 'string') return undefined;
  const milliseconds = (key: string): number => Number(annotation(key) ?? 0);
  const limits = annotation('limits') as { memory?: number } | undefined;
  const causedBy = annotation('causedBy');
  const { result, size, statusCode } = activation.response;
  const userStatus = (result as { error?: { statusCode?: unknown }; statusCode?: unknown } | null | undefined)
    ?.statusCode;
  return {
    source,
    subject: activation.subject,
    namespace: activation.namespace,
    userId,
    eventType: 'Activation',
    timestamp: nowMs,
    body: {
      name,
      activationId: activation.activationId,
      statusCode: EVENT_STATUS_WORDS[statusCode] === undefined ? 3 : statusCode,
      duration: activation.duration ?? activation.end - activation.start,
      waitTime: milliseconds('waitTime'),
      initTime: milliseconds('initTime'),
      kind,
      conductor: annotation('conductor') === true,
      memory: limits?.memory ?? 0,
      ...(typeof causedBy === 'string' ? { causedBy } : {}),
      ...(size == null ? {} : { size }),
      ...(typeof userStatus === 'number' ? { userDefinedStatusCode: userStatus } : {}),
    },
  };
}
