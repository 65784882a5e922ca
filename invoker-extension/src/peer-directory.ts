/**
 * Where the daemons of other nodes are: from the registry to this node's daemon, which needs no registry of its own.
 */
import {
  type DaemonOperator,
  errorMessage,
  type Logger,
  PEERS_MAX,
  type Registry,
  type Unsubscribe,
} from '@tetris/common';

/** So many rounds without a word from a node, and it is forgotten. */
const SILENT_ROUNDS_MAX = 3;

export interface PeerDirectoryOptions {
  daemon: Pick<DaemonOperator, 'setPeers'>;
  registry: Pick<Registry, 'watch'>;
  /** Whose daemon is told; it is no peer of itself. */
  node: string;
  log: Logger;
  nowMs: () => number;
  intervalMs: number;
}

export class PeerDirectory {
  readonly #options: PeerDirectoryOptions;
  /** By node: its daemon's URL, and when it was last heard of (epoch ms, this node's clock). */
  readonly #peers = new Map<string, { url: string; heardMs: number }>();
  #unwatch: Unsubscribe | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PeerDirectoryOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { registry, node, nowMs, intervalMs, log } = this.#options;
    try {
      this.#unwatch = await registry.watch({
        status: ({ node: from, peer }) => {
          if (from !== node && peer !== undefined) this.#peers.set(from, { url: peer, heardMs: nowMs() });
        },
      });
    } catch (error) {
      log.warn({ reason: errorMessage(error) }, 'peers not looked for');
    }
    this.#timer = setInterval(() => void this.tell(), intervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#unwatch?.();
  }

  /** Tells the daemon, also what it knows already: it may have been restarted. Never rejects. */
  async tell(): Promise<void> {
    const { daemon, nowMs, intervalMs, log } = this.#options;
    const oldestMs = nowMs() - SILENT_ROUNDS_MAX * intervalMs;
    for (const [node, { heardMs }] of this.#peers) if (heardMs < oldestMs) this.#peers.delete(node);
    try {
      await daemon.setPeers([...this.#peers.values()].map(({ url }) => url).slice(0, PEERS_MAX));
    } catch (error) {
      log.debug({ reason: errorMessage(error) }, 'peers not told');
    }
  }
}
