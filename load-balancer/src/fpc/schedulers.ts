/** Activations from the schedulers' queues. The interface is the front end's; the adapter speaks gRPC. */
import { LRUCache } from 'lru-cache';
import { type ChannelCredentials, GrpcChannel } from '@tetris/common/grpc';
import { ActivationService } from '../proto/activation_pb';
import { topLevelText } from '../relay/splice';
import type { PulledAction } from './etcd-keys';

export interface SchedulerAddress {
  host: string;
  port: number;
}

export interface Pull {
  action: PulledAction;
  container: string;
  /** It has run something before. */
  warmed: boolean;
  /** ms that a pull is kept from the next one by what it brought; undefined: not known. */
  lastDurationMs?: number;
  /** False: the container is gone, and its waiting pulls are to be answered. */
  alive: boolean;
}

export type Pulled =
  | { kind: 'activation'; value: Buffer }
  /** Nothing came for as long as a scheduler lets a pull wait. */
  | { kind: 'none' }
  /** This scheduler has no queue for the action. */
  | { kind: 'no-queue' }
  /** Its queue is for another revision. */
  | { kind: 'mismatch' };

export interface Schedulers {
  /**
   * Waits for an activation for about a second. A pull is never taken back: its activation would be lost.
   * @throws PluginError where the scheduler cannot be reached or its answer not be read
   */
  pull(scheduler: SchedulerAddress, pull: Pull): Promise<Pulled>;
  close(): void;
}

export interface GrpcSchedulersOptions {
  credentials: ChannelCredentials;
  /** Bound of a pull whose scheduler has fallen silent, ms; well above the second that it may wait. */
  pullMsMax: number;
  messageBytesMax: number;
}

/** Schedulers whose connections are kept; the one used longest ago is closed. */
const CONNECTIONS_MAX = 64;

export class GrpcSchedulers implements Schedulers {
  readonly #options: GrpcSchedulersOptions;
  readonly #channels = new LRUCache<string, GrpcChannel>({
    max: CONNECTIONS_MAX,
    dispose: (channel) => channel.close(),
  });

  constructor(options: GrpcSchedulersOptions) {
    this.#options = options;
  }

  async pull(scheduler: SchedulerAddress, { action, container, ...rest }: Pull): Promise<Pulled> {
    const { lastDurationMs } = rest;
    const request = {
      transactionId: JSON.stringify(['sid_invoker', Date.now()]),
      invocationNamespace: action.namespace,
      fqn: JSON.stringify(action.name),
      rev: JSON.stringify(action.revision),
      containerId: container,
      warmed: rest.warmed,
      alive: rest.alive,
      ...(lastDurationMs === undefined ? {} : { lastDuration: BigInt(lastDurationMs) }),
    };
    const channel = this.#channel(`${scheduler.host}:${scheduler.port}`);
    const answer = await channel.unary(ActivationService.method.fetchActivation, request, this.#options.pullMsMax);
    return readPulled(answer.activationMessage);
  }

  close(): void {
    this.#channels.clear();
  }

  #channel(address: string): GrpcChannel {
    let channel = this.#channels.get(address);
    if (channel === undefined) {
      const { credentials, messageBytesMax } = this.#options;
      channel = new GrpcChannel(address, credentials, messageBytesMax);
      this.#channels.set(address, channel);
    }
    return channel;
  }
}

const ANSWERS: Readonly<Record<string, Pulled>> = {
  NoActivationMessage: { kind: 'none' },
  NoMemoryQueue: { kind: 'no-queue' },
  ActionMismatch: { kind: 'mismatch' },
};

/** @param json `{"message": ...}`: an activation, byte for byte what the controller wrote, or an answer without one */
export function readPulled(json: string): Pulled {
  const text = topLevelText(json, 'message') ?? json;
  // Short enough to be parsed, and no activation has this field.
  const type = text.length < 1_000 ? (JSON.parse(text) as { type?: string }).type : undefined;
  return ANSWERS[type ?? ''] ?? { kind: 'activation', value: Buffer.from(text) };
}
