import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** Of a Kafka request: length, then key. */
const API_KEY_AT = 4;

/** What becomes of an answer: undefined cuts the connection instead of passing it on. */
export type Forge = (answer: Buffer) => Buffer | undefined;

/**
 * Stands between a client and its broker. Armed, it lets the next request of one kind reach the broker and falsifies
 * the answer or cuts the connection instead of passing it on: the client cannot know what became of its request.
 */
export class CuttingProxy {
  /** Answers forged or cut off. */
  cuts = 0;
  #armed: { readonly apiKey: number; readonly forge: Forge } | undefined;
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
  arm(apiKey: number, forge: Forge = () => undefined): void {
    this.#armed = { apiKey, forge };
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket, broker: Socket): void {
    let forge: Forge | undefined;
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
      if (request.length > API_KEY_AT + 1 && request.readInt16BE(API_KEY_AT) === this.#armed?.apiKey) {
        forge = this.#armed.forge;
        this.#armed = undefined;
      }
      broker.write(request);
    });
    broker.on('data', (answer) => {
      if (forge === undefined) return void client.write(answer);
      this.cuts += 1;
      const forged = forge(answer);
      forge = undefined;
      if (forged === undefined) client.destroy();
      else client.write(forged);
    });
  }
}
