/** Every metric of the load balancer, declared once. */
import { OBJECTIVE_SECONDS } from '@tetris/common';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface BalancerMetrics {
  /** By outcome: warm, similar, home, queued, walk, saturated, absent, unserved. */
  placements: Counter<'outcome'>;
  /** Seconds of one placement decision. */
  decision: Histogram;
  /** Acks by what became of them: passed, duplicate, foreign, invalid, undelivered. */
  acks: Counter<'outcome'>;
  /** Activations that were answered here with an error, by reason. */
  failures: Counter<'reason'>;
  /** Messages that could not be read, by topic kind. */
  invalid: Counter<'topic'>;
  /** Activations whose deadline passed unanswered. */
  expired: Counter;
  /** Wait of activations that found no invoker with room at once. */
  waitSeconds: Histogram;
  inFlight: Gauge;
  waiting: Gauge;
  /** Orders of schedulers for containers, by outcome: warm-up, begun, surplus, elsewhere. */
  orders: Counter<'outcome'>;
  /** Actions that are no longer pulled, by reason. */
  pullsEnded: Counter<'reason'>;
  pulledActions: Gauge;
  hints: Gauge;
  /** By flavour and state. */
  invokers: Gauge<'flavour' | 'usable'>;
}

const DECISION_BUCKETS = [1e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 5e-4, 1e-3, 1e-2];

export function balancerMetrics(registry: Registry): BalancerMetrics {
  const registers = [registry];
  const prefix = 'tetris_balancer';
  return {
    placements: new Counter({
      name: `${prefix}_placements_total`,
      help: 'Placement decisions by outcome',
      labelNames: ['outcome'],
      registers,
    }),
    decision: new Histogram({
      name: `${prefix}_decision_seconds`,
      help: 'Time of one placement decision',
      buckets: DECISION_BUCKETS,
      registers,
    }),
    acks: new Counter({
      name: `${prefix}_acks_total`,
      help: 'Acks from invokers by what became of them',
      labelNames: ['outcome'],
      registers,
    }),
    failures: new Counter({
      name: `${prefix}_failures_total`,
      help: 'Activations answered by the load balancer itself with an error',
      labelNames: ['reason'],
      registers,
    }),
    invalid: new Counter({
      name: `${prefix}_invalid_messages_total`,
      help: 'Messages that could not be read and were dropped',
      labelNames: ['topic'],
      registers,
    }),
    expired: new Counter({
      name: `${prefix}_expired_total`,
      help: 'Activations that no invoker answered before the deadline of the controller',
      registers,
    }),
    waitSeconds: new Histogram({
      name: `${prefix}_wait_seconds`,
      help: 'Wait for an invoker, of activations for which none had room at once',
      buckets: [...OBJECTIVE_SECONDS],
      registers,
    }),
    inFlight: new Gauge({
      name: `${prefix}_in_flight_activations`,
      help: 'Activations handed on and not finished',
      registers,
    }),
    waiting: new Gauge({
      name: `${prefix}_waiting_activations`,
      help: 'Activations that wait for an invoker with room',
      registers,
    }),
    orders: new Counter({
      name: `${prefix}_orders_total`,
      help: 'Orders of schedulers for containers by what became of them',
      labelNames: ['outcome'],
      registers,
    }),
    pullsEnded: new Counter({
      name: `${prefix}_pulls_ended_total`,
      help: 'Actions that are no longer pulled from a scheduler, by reason',
      labelNames: ['reason'],
      registers,
    }),
    pulledActions: new Gauge({
      name: `${prefix}_pulled_actions`,
      help: 'Actions that are pulled from schedulers',
      registers,
    }),
    hints: new Gauge({
      name: `${prefix}_hints`,
      help: 'Actions, by invoking namespace, that schedulers are told to order here',
      registers,
    }),
    invokers: new Gauge({
      name: `${prefix}_invokers`,
      help: 'Known invokers',
      labelNames: ['flavour', 'usable'],
      registers,
    }),
  };
}
