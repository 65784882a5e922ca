import type { Server, Socket } from 'node:net';

export interface PendingLimits {
  /** Connections that may be pending at a time; a further one ends the oldest. */
  pendingMax: number;
  /** Longest time for which a connection may be pending, ms. */
  pendingMs: number;
}

/**
 * Connections that have not shown yet what they are for: nothing sent, half a request, or one that is done with. They
 * get little time and little room, so that neither slow nor silent ones can keep others out. What holds a lease or
 * uploads is bounded by the limits of leases and uploads instead.
 */
export class PendingConnections {
  readonly #limits: PendingLimits;
  readonly #pending = new Map<Socket, NodeJS.Timeout>();

  constructor(limits: PendingLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#pending.size;
  }

  watch(server: Server): void {
    server.on('connection', (socket) => {
      socket.once('close', () => this.settle(socket));
      this.suspend(socket);
    });
  }

  /** The connection is in use: other limits hold for it. */
  settle(socket: Socket): void {
    clearTimeout(this.#pending.get(socket));
    this.#pending.delete(socket);
  }

  /** The connection is new, or its use has ended. */
  suspend(socket: Socket): void {
    if (socket.destroyed || this.#pending.has(socket)) return;
    const { pendingMax, pendingMs } = this.#limits;
    this.#pending.set(
      socket,
      setTimeout(() => socket.destroy(), pendingMs),
    );
    const oldest = this.#pending.keys().next().value;
    if (this.#pending.size > pendingMax && oldest !== undefined) {
      this.settle(oldest);
      oldest.destroy();
    }
  }
}
