import { key } from '../config';

/** Part of a component's schema: whether it tells of activations, and whom. */
export const TRACING_KEYS = {
  otlpUrl: key.text(
    '',
    'URL',
    'Collector of OpenTelemetry traces (OTLP over HTTP), such as http://collector:4318/v1/traces. Empty: nothing is traced.',
  ),
  traceRatio: key.number(
    1,
    'ratio',
    'Share of activations that are traced; the same in all components, which then trace the same ones.',
    {
      max: 1,
    },
  ),
  traceSpansMax: key.integer(2_048, 'spans', 'Spans that wait for the collector; what is more is dropped.', { min: 1 }),
  traceExportMs: key.integer(1_000, 'ms', 'How often they are sent.', { min: 10 }),
};

export interface TracingConfig {
  otlpUrl: string;
  traceRatio: number;
  traceSpansMax: number;
  traceExportMs: number;
}
