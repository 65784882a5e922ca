/** Topic names and settings. Source: `CR/application.conf` `whisk.kafka.topics`, `K/controller/Controller.scala`. */

/** Settings used when a topic is created; an existing topic's settings are left untouched. */
export interface TopicSettings {
  segmentBytes: number;
  retentionBytes: number;
  retentionMs: number;
  /** Undefined: the broker's default. */
  messageBytesMax?: number;
  partitions?: number;
}

/** `whisk.activation.payload.max` (1 MiB) + `whisk.activation.serdes-overhead`. */
export const MESSAGE_BYTES_MAX = 1_048_576 + 6_068;

const SEGMENT_BYTES = 536_870_912;
const RETENTION_BYTES = 1_073_741_824;
const hours = (count: number): number => count * 3_600_000;

/** An unset variable and an empty one are alike, so the empty prefix needs a word: `none`. */
export const topicPrefixOf = (configured: string): string => (configured === 'none' ? '' : configured);

/** A family of topics behind one prefix: the controllers' (P, usually empty) or ours (Q). */
export class Topics {
  readonly prefix: string;
  constructor(prefix: string) {
    this.prefix = prefix;
  }
  invoker(instance: number): string {
    return `${this.prefix}invoker${instance}`;
  }
  completed(controller: string): string {
    return `${this.prefix}completed${controller}`;
  }
  /** Acks of orders for containers, read by a scheduler. */
  creationAck(scheduler: string): string {
    return `${this.prefix}creationAck${scheduler}`;
  }
  get health(): string {
    return `${this.prefix}health`;
  }
  /** Its prefix is configured apart from the others (`whisk.kafka.topics.user-event.prefix`). */
  get events(): string {
    return `${this.prefix}events`;
  }
  get cacheInvalidation(): string {
    return `${this.prefix}cacheInvalidation`;
  }
}

/** Settings by topic kind, equal to stock's defaults. */
export const TOPIC_SETTINGS = {
  invoker: {
    segmentBytes: SEGMENT_BYTES,
    retentionBytes: RETENTION_BYTES,
    retentionMs: hours(48),
    messageBytesMax: MESSAGE_BYTES_MAX,
  },
  completed: {
    segmentBytes: SEGMENT_BYTES,
    retentionBytes: RETENTION_BYTES,
    retentionMs: hours(1),
    messageBytesMax: MESSAGE_BYTES_MAX,
  },
  health: { segmentBytes: SEGMENT_BYTES, retentionBytes: RETENTION_BYTES, retentionMs: hours(1) },
  events: { segmentBytes: SEGMENT_BYTES, retentionBytes: RETENTION_BYTES, retentionMs: hours(1) },
  cacheInvalidation: { segmentBytes: SEGMENT_BYTES, retentionBytes: RETENTION_BYTES, retentionMs: 300_000 },
} as const satisfies Record<string, TopicSettings>;
