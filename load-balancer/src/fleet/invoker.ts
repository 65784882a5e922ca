/** One invoker behind the load balancer, as far as it is known here. */
import { InFlightLimit } from './in-flight-limit';
import { Outcomes } from './outcomes';
import { SendPositions } from './send-positions';

/** `unknown` until it has published a status or pinged for a while without one. */
export type Flavour = 'tetris' | 'stock' | 'unknown';

/** What this load balancer believes of one invoker's warm instances of one action for one namespace. */
export interface InstanceEstimate {
  /** Activations that the instances can hold at once. */
  capacity: number;
  /** The part of it that no status shows: of instances that are expected to start. */
  expected: number;
  /** Handed on by this load balancer and not finished. */
  inFlight: number;
  /** Those, with their positions in the invoker's topic once these are known. */
  readonly sent: Set<{ position: number | undefined }>;
  /** Activations that others had there when the last status was written. */
  ofOthers: number;
  /** Memory set aside for an instance that is being started, bytes. */
  reservedBytes: number;
  /** Until then (epoch ms) the instance may be starting although no status shows it. */
  startingUntilMs: number;
  /** Statuses that did not show it after an activation had ended there; undefined while none has. */
  absences: number | undefined;
  /** See `WarmInstance`; undefined while not known. */
  tailMs: number | undefined;
  perSecond: number | undefined;
  wayMs: number;
  /** Told by activations that were handed on while somebody of their queue was late. */
  readonly limit: InFlightLimit;
}

export const newEstimate = (): InstanceEstimate => ({
  capacity: 0,
  expected: 0,
  inFlight: 0,
  sent: new Set(),
  ofOthers: 0,
  reservedBytes: 0,
  startingUntilMs: 0,
  absences: undefined,
  tailMs: undefined,
  perSecond: undefined,
  wayMs: 0,
  limit: new InFlightLimit(),
});

export interface Invoker {
  readonly instance: number;
  flavour: Flavour;
  /** Name of the node, whose store it shares with the node's other invokers. */
  node: string | undefined;
  /** The node's index in the similarity index, undefined before its first status. */
  nodeIndex: number | undefined;
  readonly firstSeenMs: number;
  /** Epoch ms of the last ping, and of the last sign of life (ping, status or ack). */
  lastPingMs: number;
  lastSeenMs: number;
  /** False while its pings say so, or its status says that it drains. */
  enabled: boolean;
  draining: boolean;
  /** False once it has been silent for too long. */
  online: boolean;
  readonly outcomes: Outcomes<'answered' | 'system-error'>;
  /** Epoch ms until which it is avoided because of system errors. */
  suspectUntilMs: number;
  memoryBytes: number;
  /** Not in use, reservations not yet subtracted. */
  freeBytes: number;
  /** Free once its idle instances have ended, and how much of that is tensors. */
  reclaimableBytes: number;
  reclaimableTensorBytes: number;
  /** Sum of the reservations of {@link instances}. */
  reservedBytes: number;
  /** Activations handed on by this load balancer whose slot is not free yet. */
  inFlight: number;
  /** Actions of tetris kinds, by invoking namespace, that have some of these. */
  activeActions: number;
  /** Activations running and waiting as its status says, those of other load balancers included. */
  reportedLoad: number;
  /**
   * Of its newest status: start (epoch ms) of the oldest activation there, infinite where there is none; undefined
   * while that is not known.
   */
  oldestStartMs: number | undefined;
  /** It runs an activation once even if its message comes twice. */
  runsOnce: boolean;
  /** What its last status knew of, and what came to its topic since. */
  readonly positions: SendPositions;
  /** By instance key, see `placement/instances.ts`. */
  readonly instances: Map<string, InstanceEstimate>;
}

export function newInvoker(instance: number, nowMs: number): Invoker {
  return {
    instance,
    flavour: 'unknown',
    node: undefined,
    nodeIndex: undefined,
    firstSeenMs: nowMs,
    lastPingMs: Number.NEGATIVE_INFINITY,
    lastSeenMs: nowMs,
    enabled: true,
    draining: false,
    online: true,
    outcomes: new Outcomes(),
    suspectUntilMs: 0,
    memoryBytes: 0,
    freeBytes: 0,
    reclaimableBytes: 0,
    reclaimableTensorBytes: 0,
    reservedBytes: 0,
    inFlight: 0,
    activeActions: 0,
    reportedLoad: 0,
    oldestStartMs: undefined,
    runsOnce: false,
    positions: new SendPositions(),
    instances: new Map(),
  };
}

/** Bytes for further instances, where idle ones make room for them. */
export const availableBytes = ({ freeBytes, reclaimableBytes, reservedBytes }: Invoker): number =>
  freeBytes + reclaimableBytes - reservedBytes;

/**
 * Whether one more instance finds its memory: as it is, or when the idle instances have ended. Tensors that only these
 * hold would go with them and be needed again; how many of the held ones that are is not known, so all that go are
 * taken for them.
 *
 * @param heldBytes of its tensors that living instances there hold
 */
export function hasMemory(
  invoker: Invoker,
  { tensorBytes, privateBytes, heldBytes }: { tensorBytes: number; privateBytes: number; heldBytes: number },
): boolean {
  const needed = (held: number): number => tensorBytes - held + privateBytes;
  if (needed(heldBytes) <= invoker.freeBytes - invoker.reservedBytes) return true;
  return needed(Math.max(0, heldBytes - invoker.reclaimableTensorBytes)) <= availableBytes(invoker);
}
