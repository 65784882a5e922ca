import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/**
 * Where activations wait for each other: an instance that has answered stays busy until the gate opens, so that the
 * next activation needs an instance of its own. An arrival brings the activation's report.
 */
export class Gate<Report> {
  readonly #server: Server;
  readonly #waiting: ServerResponse[] = [];
  readonly #expected = new Map<string, (report: Report) => void>();
  #open = false;

  private constructor() {
    this.#server = createServer((request, response) => void this.#arrive(request, response));
  }

  static async listen<Report>(): Promise<Gate<Report>> {
    const gate = new Gate<Report>();
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    return gate;
  }

  /** Where the activation named `key` waits. */
  url(key: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${key}`;
  }

  /** Resolves with the report of the activation named `key` once it waits. Ask before it is started. */
  arrival(key: string): Promise<Report> {
    return new Promise((resolve) => this.#expected.set(`/${key}`, resolve));
  }

  /** Lets everybody go, now and later. */
  open(): void {
    this.#open = true;
    for (const response of this.#waiting.splice(0)) response.end();
  }

  close(): void {
    this.open();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #arrive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const report = (await json(request)) as Report;
      if (this.#open) response.end();
      else this.#waiting.push(response);
      this.#expected.get(request.url ?? '')?.(report);
    } catch {
      response.statusCode = 400;
      response.end();
    }
  }
}
