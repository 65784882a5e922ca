import { OBJECTIVE_SECONDS } from '@tetris/common';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const PREFIX = 'tetris_invoker';
/** What shapes may be: batches are powers of two. */
const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/** Of what happens inside an instance. */
const SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300];

/** Metrics of one invoker extension. Labels are small fixed sets. */
export interface InvokerMetrics {
  /** Activations answered, by status code 0 to 3. */
  activations: Counter<'status'>;
  /** Messages that were no activation message: dropped. */
  malformed: Counter;
  /** Messages whose activation had been taken: dropped. */
  repeated: Counter;
  /** Acks that were given up. */
  acksLost: Counter;
  /** Containers asked for: ready, init-failed, failed. */
  starts: Counter<'outcome'>;
  /** Instances ended on purpose: idle, memory, failed, draining, surplus, grown. */
  instanceEnds: Counter<'reason'>;
  /** Idle instances that gave memory back, by what they keep (asleep, ended), and the bytes of it. */
  rests: Counter<'level'>;
  restFreedBytes: Counter;
  /** Activations refused by the pool: queue-full, waited-too-long, never-fits, stopping. */
  refusals: Counter<'reason'>;
  /** Answers to activations with an objective: in-time, late, failed; by class of their objective. */
  objectives: Counter<'class' | 'outcome'>;
  /** Activations run once more because their instance died while it had others. */
  retries: Counter;
  instances: Gauge<'state'>;
  /** Living instances with an objective, by shape. */
  shapes: Gauge<'workers' | 'threads' | 'batch'>;
  /** Profiles looked for: found, absent, failed. */
  profiles: Counter<'outcome'>;
  /** Containers that wait for an action. */
  stemCells: Gauge;
  /** Containers that were started to wait for an action. */
  stemCellStarts: Counter;
  waiting: Gauge;
  /** The ledger by kind of bytes: tensors, foreign, private, aside. Their sum is what is used. */
  memory: Gauge<'kind'>;
  /** What may be used. */
  memoryBudget: Gauge;
  /** From an activation's arrival here until an instance takes it. */
  waitSeconds: Histogram;
  initSeconds: Histogram;
  /** Stages of starts: container, node, runtime, unpack, code, lease, load, run. */
  startStageSeconds: Histogram<'stage'>;
  /** Init and run of one activation. */
  runSeconds: Histogram;
  /** Requests executed together, once an execution. */
  batchSize: Histogram;
  /** Wait of an activation's inference for a worker and for batch mates. */
  inferenceWaitSeconds: Histogram;
  /** Execution of a batch. */
  inferenceSeconds: Histogram;
}

/** Declares the metrics on a registry. */
export function invokerMetrics(registry: Registry): InvokerMetrics {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name: `${PREFIX}_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name: `${PREFIX}_${name}`, help, labelNames, registers });
  const seconds = (name: string, help: string, buckets: readonly number[] = SECONDS): Histogram =>
    new Histogram({ name: `${PREFIX}_${name}`, help, buckets: [...buckets], registers });
  return {
    activations: counter('activations_total', 'Activations answered, by OpenWhisk status code', ['status']),
    malformed: counter('malformed_messages_total', 'Messages dropped because they were no activation message'),
    repeated: counter('repeated_messages_total', 'Messages dropped because their activation had been taken already'),
    acksLost: counter('acks_lost_total', 'Acks given up because the bus did not take them'),
    starts: counter('container_starts_total', 'Containers asked for, by outcome', ['outcome']),
    rests: counter(
      'instance_rests_total',
      'Idle instances that gave memory back because it was short, by what they keep',
      ['level'],
    ),
    restFreedBytes: counter('instance_rest_freed_bytes_total', 'Private bytes that idle instances gave back so'),
    instanceEnds: counter('instance_ends_total', 'Function instances ended on purpose, by reason', ['reason']),
    refusals: counter('refusals_total', 'Activations refused because the invoker was full or stopping, by reason', [
      'reason',
    ]),
    objectives: counter(
      'objective_activations_total',
      'Answers to activations with an objective: in time, late or failed, by the least class that holds the objective',
      ['class', 'outcome'],
    ),
    retries: counter('activation_retries_total', 'Activations run once more because their instance died of another'),
    instances: gauge('instances', 'Living function instances, by state', ['state']),
    shapes: gauge('shaped_instances', 'Living instances of actions with an objective, by their shape', [
      'workers',
      'threads',
      'batch',
    ]),
    profiles: counter('profiles_total', 'Profiles looked for, of actions with an objective, by outcome', ['outcome']),
    stemCells: gauge('stem_cells', 'Containers that run and wait for the first action of their kind and memory'),
    stemCellStarts: counter(
      'stem_cell_starts_total',
      'Containers started to wait for an action of their kind and memory',
    ),
    waiting: gauge('waiting_activations', 'Activations that wait for an instance'),
    memory: gauge('memory_bytes', 'Memory as admission counts it, by kind: tensors, foreign, private, aside', ['kind']),
    memoryBudget: gauge('memory_budget_bytes', 'Memory that admission may give away'),
    waitSeconds: seconds(
      'wait_seconds',
      'From the arrival of an activation until an instance takes it, starts included',
      OBJECTIVE_SECONDS,
    ),
    initSeconds: seconds('init_seconds', 'Time of successful inits'),
    startStageSeconds: new Histogram({
      name: `${PREFIX}_start_stage_seconds`,
      help: 'Time from an activation that starts an instance to its first answer, by stage',
      labelNames: ['stage'],
      buckets: SECONDS,
      registers,
    }),
    runSeconds: seconds('activation_seconds', 'Duration of activations, init included', OBJECTIVE_SECONDS),
    batchSize: new Histogram({
      name: `${PREFIX}_inference_batch_size`,
      help: 'Inference requests executed together, once an execution',
      buckets: BATCHES,
      registers,
    }),
    inferenceWaitSeconds: seconds(
      'inference_wait_seconds',
      'Wait of the inference of an activation for a worker and for batch mates',
    ),
    inferenceSeconds: seconds('inference_seconds', 'Execution of a batch, counted once'),
  };
}
