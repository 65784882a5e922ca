/**
 * What a stock controller would choke on, leak at or warn about. The standalone platform logs violations; tests that
 * run this controller against the cluster adapters fail on them.
 */
export type ViolationKind =
  /** An ack that the stock reader cannot parse: dropped there, so the activation is forced later. */
  | 'malformed-ack'
  | 'malformed-ping'
  /** An ack for an activation that this controller never sent, or sent too long ago to remember. */
  | 'unknown-activation'
  | 'second-completion'
  | 'second-result'
  /** An ack after the controller had given up. */
  | 'late-completion'
  /** No ack came in time: a message was lost, and the invoker gets a Timeout. */
  | 'forced-completion'
  /** The ack names another invoker than the one chosen: permits go to the wrong one, or the release throws. */
  | 'wrong-instance'
  /** The transid of the ack is not the one that was sent: a health test would never count. */
  | 'transid-changed'
  /** A release without a matching acquire; stock throws here and loses an ack handler's permit. */
  | 'permits-not-held'
  /** Another `userMemory` than at first sight: displayed, but never used. */
  | 'capacity-changed'
  /** A ping whose id leaves a gap below it: the gap counts as offline invokers for good. */
  | 'ids-not-dense';

export interface Violation {
  kind: ViolationKind;
  text: string;
  activationId?: string;
  invoker?: number;
}

export type OnViolation = (violation: Violation) => void;
