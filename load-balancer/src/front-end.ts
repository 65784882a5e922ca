/**
 * Where activations come from, a front end for each mode of OpenWhisk's scheduler, and where their answers go, which is
 * the same in both. Placement, fleet and dispatch know these interfaces and nothing behind them.
 */
import type { Activation, AckType, Bus, InFlight, Logger, Topics } from '@tetris/common';
import type { BalancerMetrics } from './metrics';

/** One activation as it came in. */
export interface Arrival {
  activationId: string;
  transid: readonly unknown[];
  /** Id of the controller that awaits the acks. */
  controller: string;
  /** By which of this front end's doors it came in; acks must name it. */
  virtualInvoker: number;
  blocking: boolean;
  /** The invoking namespace and its subject. */
  namespace: string;
  subject: string;
  /** `namespace/name` or `namespace/package/name`. */
  action: string;
  version?: string;
  revision: string | null;
  /** A controller's own probe rather than a user's activation. */
  healthTest: boolean;
  /** What the invoker gets, byte for byte. */
  value: Buffer;
}

/** An invoker's ack: what it says, and its text, of which nothing may be lost. */
export interface ReceivedAck {
  type: AckType;
  activationId: string;
  isSystemError: boolean;
  /** How long it ran, ms, where the ack has the record. */
  durationMs?: number;
  text: string;
}

/** What a front end tells of the fleet behind it. */
export interface FleetState {
  /** Is anything behind usable? Otherwise the front end must look absent. */
  usable: boolean;
  /** Memory for further instances, bytes: free, or free once idle ones have ended. */
  freeBytes: number;
}

/** What every front end is made of. */
export interface FrontEndParts {
  /** Where the controllers are, and their topics. */
  bus: Bus;
  topics: Topics;
  metrics: BalancerMetrics;
  log: Logger;
  /** Epoch ms. */
  now: () => number;
}

export interface FrontEnd {
  /**
   * Opens the doors. The promise that `accept` returns holds one unit of the front end's capacity, and of its action's
   * share in it, until the activation has been handed on or answered: this is the back-pressure.
   */
  start(accept: (arrival: Arrival) => Promise<void>): Promise<void>;
  /** Called once a second. */
  announce(fleet: FleetState): Promise<void>;
  /** Looks absent at once, takes nothing new, and resolves when everything accepted has been handed on. */
  close(): Promise<void>;
}

export interface Answers {
  /** Passes an invoker's ack on. @throws PluginError `ERR_BUS_UNAVAILABLE` once the entry's deadline has passed */
  deliver(entry: InFlight, ack: ReceivedAck): Promise<void>;
  /** Answers an activation that no invoker will answer: result and freed slot in one. @throws as {@link deliver} */
  fail(entry: InFlight, activation: Activation): Promise<void>;
}
