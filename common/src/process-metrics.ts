import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';
import { VERSION } from './version';

/**
 * What is counted of every process alike: prom-client's own metrics (CPU, memory, file descriptors, event loop,
 * garbage collection) and `build_info`. Their names begin with the component's, because the daemon's stand beside the
 * invoker extension's in one answer.
 * @param component as in the names of its other metrics
 * @param traits further labels of `build_info`, whose values do not change while the process lives
 */
export function addProcessMetrics(
  registry: Registry,
  component: string,
  traits: Readonly<Record<string, string>> = {},
): void {
  collectDefaultMetrics({ register: registry, prefix: `tetris_${component}_` });
  const labels = { version: VERSION, node: process.version, ...traits };
  new Gauge({
    name: `tetris_${component}_build_info`,
    help: 'Always 1; what runs is in the labels',
    labelNames: Object.keys(labels),
    registers: [registry],
  }).set(labels, 1);
}
