import type { Registry } from 'prom-client';
import { invokerMetrics } from '../../invoker-extension/src/metrics';
import { balancerMetrics } from '../../load-balancer/src/metrics';
import { createMetrics } from '../../tensor-daemon/src/metrics';

const none = (): number => 0;
const gauges = { uniqueBytes: none, unsharedBytes: none, leases: none, instances: none, ingests: none };

/** Declares what each component counts, by its name. */
export const DECLARE = {
  invoker: invokerMetrics,
  balancer: balancerMetrics,
  daemon: (registry: Registry): unknown =>
    createMetrics(registry, { ...gauges, mappedBytes: none, diskBytes: none, originalBytes: none }),
};

/** All of it on one registry. */
export function declareEveryMetric(registry: Registry): void {
  for (const declare of Object.values(DECLARE)) declare(registry);
}
