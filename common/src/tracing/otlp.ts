/** Spans for a collector. OpenTelemetry's packages are loaded only where there is one. */
import { createRequire } from 'node:module';
import type { HrTime } from '@opentelemetry/api';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { VERSION } from '../version';
import { isSampled, NO_TRACER, type SpanRecord, type Tracer } from './spans';
import type { TracingConfig } from './tracing-keys';

const EXPORT_TIMEOUT_MS = 10_000;
/** Spans of one request to the collector. */
const BATCH_MAX = 512;

/** What OpenTelemetry is given, and the constants of its interface. */
interface Exporting {
  queue: SpanProcessor;
  readable: (span: SpanRecord) => ReadableSpan;
}

/**
 * @param component `service.name` becomes `tetris-<component>`
 * @param instance what tells it from others of its kind: `service.instance.id`
 */
export function openTracer(config: TracingConfig, component: string, instance: string): Tracer {
  const { otlpUrl, traceRatio } = config;
  if (otlpUrl === '') return NO_TRACER;
  const { queue, readable } = load(config, component, instance);
  return {
    traces: (activationId) => isSampled(activationId, traceRatio),
    record: (span) => {
      if (isSampled(span.traceId, traceRatio)) queue.onEnd(readable(span));
    },
    close: () => queue.shutdown().catch(() => undefined),
  };
}

function load(config: TracingConfig, component: string, instance: string): Exporting {
  const lazily = createRequire(__filename);
  const { SpanKind, SpanStatusCode, TraceFlags } = lazily('@opentelemetry/api') as typeof import('@opentelemetry/api');
  const { BatchSpanProcessor } = lazily(
    '@opentelemetry/sdk-trace-base',
  ) as typeof import('@opentelemetry/sdk-trace-base');
  const { OTLPTraceExporter } = lazily(
    '@opentelemetry/exporter-trace-otlp-http',
  ) as typeof import('@opentelemetry/exporter-trace-otlp-http');
  const { resourceFromAttributes } = lazily('@opentelemetry/resources') as typeof import('@opentelemetry/resources');
  const { otlpUrl: url, traceSpansMax: maxQueueSize, traceExportMs: scheduledDelayMillis } = config;
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
  const maxExportBatchSize = Math.min(BATCH_MAX, maxQueueSize);
  const queue = new BatchSpanProcessor(exporter, { maxQueueSize, maxExportBatchSize, scheduledDelayMillis });
  const resource = resourceFromAttributes({
    'service.name': `tetris-${component}`,
    'service.version': VERSION,
    'service.instance.id': instance,
  });
  const contextOf = (traceId: string, spanId: string): ReturnType<ReadableSpan['spanContext']> => ({
    traceId,
    spanId,
    traceFlags: TraceFlags.SAMPLED,
  });
  const readable: Exporting['readable'] = ({ traceId, spanId, parentId, name, startMs, endMs, error, attributes }) => ({
    name,
    kind: SpanKind.INTERNAL,
    spanContext: () => contextOf(traceId, spanId),
    ...(parentId !== undefined && { parentSpanContext: contextOf(traceId, parentId) }),
    startTime: timeOf(startMs),
    endTime: timeOf(Math.max(startMs, endMs)),
    duration: timeOf(Math.max(0, endMs - startMs)),
    status: error === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
    attributes: { ...attributes },
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope: { name: '@tetris/common', version: VERSION },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  });
  return { queue, readable };
}

/** Seconds and nanoseconds. */
const timeOf = (ms: number): HrTime => [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)];
