import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** The daemon's metrics, on an injected registry. */
export interface DaemonMetrics {
  leaseSeconds: Histogram<'warm'>;
  leaseFailures: Counter<'code'>;
  privateLoads: Counter<'reason'>;
  ingestSeconds: Histogram;
  reclaimedBytes: Counter;
  demotions: Counter<'outcome'>;
  restores: Counter<'tier' | 'outcome'>;
  restoredBytes: Counter<'tier'>;
  originals: Counter<'tier' | 'outcome'>;
  peerFailures: Counter<'reason'>;
  cleanupFailures: Counter<'outcome'>;
}

export interface DaemonGauges {
  uniqueBytes: () => number;
  unsharedBytes: () => number;
  leases: () => number;
  instances: () => number;
  mappedBytes: () => number;
  diskBytes: () => number;
  originalBytes: () => number;
  ingests: () => number;
}

export function createMetrics(registry: Registry, gauges: DaemonGauges): DaemonMetrics {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge('tetris_daemon_store_bytes', 'Bytes of all tensors, each once', gauges.uniqueBytes);
  gauge('tetris_daemon_unshared_bytes', 'The same if every lease had its own copy', gauges.unsharedBytes);
  gauge('tetris_daemon_leases', 'Leases held', gauges.leases);
  gauge('tetris_daemon_instances', 'Instances known', gauges.instances);
  gauge(
    'tetris_daemon_mapped_bytes',
    'Bytes without a name in the store that some process still maps',
    gauges.mappedBytes,
  );
  gauge('tetris_daemon_disk_bytes', 'Bytes of models in the disk tier', gauges.diskBytes);
  gauge('tetris_daemon_original_bytes', 'Bytes of models kept beside the disk tier as they came', gauges.originalBytes);
  gauge(
    'tetris_daemon_ingests',
    'Models being ingested or restored, those that wait for their turn included',
    gauges.ingests,
  );
  return {
    leaseSeconds: new Histogram({
      name: 'tetris_daemon_lease_seconds',
      help: 'Time from a lease request to its grant',
      labelNames: ['warm'],
      buckets: [0.0005, 0.001, 0.0015, 0.002, 0.0025, 0.003, 0.005, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
      registers,
    }),
    leaseFailures: new Counter({
      name: 'tetris_daemon_lease_failures_total',
      help: 'Leases refused, by code',
      labelNames: ['code'],
      registers,
    }),
    privateLoads: new Counter({
      name: 'tetris_daemon_private_loads_total',
      help: 'Models that instances loaded privately, by reason, as far as they could tell',
      labelNames: ['reason'],
      registers,
    }),
    ingestSeconds: new Histogram({
      name: 'tetris_daemon_ingest_seconds',
      help: 'Time to ingest a model',
      buckets: [0.1, 0.3, 1, 3, 10, 30, 100, 300],
      registers,
    }),
    reclaimedBytes: new Counter({
      name: 'tetris_daemon_reclaimed_bytes_total',
      help: 'Bytes of tensors and graphs removed from the store',
      registers,
    }),
    demotions: new Counter({
      name: 'tetris_daemon_demotions_total',
      help: 'Models that left memory while a disk tier is configured, by what became of them',
      labelNames: ['outcome'],
      registers,
    }),
    restores: new Counter({
      name: 'tetris_daemon_restores_total',
      help: 'Attempts to bring a model back from a tier, by outcome',
      labelNames: ['tier', 'outcome'],
      registers,
    }),
    originals: new Counter({
      name: 'tetris_daemon_originals_total',
      help: 'Attempts to have a file of a model as it came from a tier in place of its source, by outcome',
      labelNames: ['tier', 'outcome'],
      registers,
    }),
    peerFailures: new Counter({
      name: 'tetris_daemon_peer_failures_total',
      help: 'Times that a peer was dropped: silent, or refuted because its bytes were not what it said',
      labelNames: ['reason'],
      registers,
    }),
    cleanupFailures: new Counter({
      name: 'tetris_daemon_cleanup_failures_total',
      help: 'Removals of files that failed: retried later, or abandoned until the next start',
      labelNames: ['outcome'],
      registers,
    }),
    restoredBytes: new Counter({
      name: 'tetris_daemon_restored_bytes_total',
      help: 'Bytes that came from a tier',
      labelNames: ['tier'],
      registers,
    }),
  };
}
