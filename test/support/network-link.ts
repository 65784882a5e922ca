import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A line between clients and a server on loopback that can be slow, silent or cut. */
export class NetworkLink {
  /** Pause before each piece of an answer, ms. */
  delayMs = 0;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #silent = false;
  #healed: (() => void)[] = [];

  constructor(targetPort: number) {
    this.#server = createServer((client) => this.#serve(client, connect(targetPort, '127.0.0.1')));
  }

  /** @returns the port on this side of the line */
  async open(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** Nothing passes, and nobody is told: bytes wait until {@link heal}. */
  partition(): void {
    this.#silent = true;
  }

  heal(): void {
    this.#silent = false;
    for (const pass of this.#healed.splice(0)) pass();
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async close(): Promise<void> {
    this.heal();
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket, server: Socket): void {
    for (const socket of [client, server]) {
      this.#open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#open.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    void this.#pass(client, server);
    void this.#pass(server, client, () => this.delayMs);
  }

  async #pass(from: Socket, to: Socket, pauseMs: () => number = () => 0): Promise<void> {
    try {
      for await (const bytes of from) {
        if (this.#silent) await new Promise<void>((resolve) => this.#healed.push(resolve));
        const ms = pauseMs();
        if (ms > 0) await delay(ms);
        to.write(bytes as Buffer);
      }
    } catch {
      // The other side is told by the sockets themselves.
    }
  }
}
