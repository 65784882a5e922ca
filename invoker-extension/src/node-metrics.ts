/**
 * What is counted on a node, in one answer: Prometheus does not scrape the Unix socket on which the daemon gives its
 * part.
 */
import { type DaemonOperator, errorMessage, type Logger } from '@tetris/common';
import type { Registry } from 'prom-client';

export interface NodeMetricsOptions {
  invoker: Registry;
  /** Undefined: there is none. */
  daemon: Pick<DaemonOperator, 'metrics'> | undefined;
  log: Logger;
}

/** Text format of Prometheus. The part of a daemon that is away is absent, so that an alert on absence finds it. */
export async function nodeMetrics({ invoker, daemon, log }: NodeMetricsOptions): Promise<string> {
  const own = await invoker.metrics();
  if (daemon === undefined) return own;
  try {
    return `${own}\n${await daemon.metrics()}`;
  } catch (error) {
    log.debug({ reason: errorMessage(error) }, 'tensor daemon does not tell its metrics');
    return own;
  }
}
