import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** Of a Kafka request: length, then key. */
const API_KEY_AT = 4;

/**
 * Stands between a client and its broker. Armed, it lets the next request of one kind reach the broker and cuts the
 * connection instead of passing the answer on: the client cannot know what became of its request.
 */
export class CuttingProxy {
  /** Connections cut. */
  cuts = 0;
  #armed: number | undefined;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  constructor(targetPort: number) {
    this.#server = createServer((client) => this.#serve(client, connect(targetPort, '127.0.0.1')));
  }

  async open(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** @param apiKey of the Kafka protocol */
  arm(apiKey: number): void {
    this.#armed = apiKey;
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket, broker: Socket): void {
    let isCut = false;
    for (const socket of [client, broker]) {
      this.#open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#open.delete(socket);
        client.destroy();
        broker.destroy();
      });
    }
    client.on('data', (request) => {
      if (request.length > API_KEY_AT + 1 && request.readInt16BE(API_KEY_AT) === this.#armed) {
        this.#armed = undefined;
        isCut = true;
      }
      broker.write(request);
    });
    broker.on('data', (answer) => {
      if (!isCut) return void client.write(answer);
      this.cuts += 1;
      client.destroy();
    });
  }
}
