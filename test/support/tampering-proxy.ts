import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What becomes of the bytes of one answer; undefined cuts the connection there. */
export type Tamper = (path: string, chunk: Buffer, offset: number) => Buffer | undefined;

/** Stands between a daemon and its peer, and passes on what it likes. */
export class TamperingProxy {
  readonly paths: string[] = [];
  readonly ranges: string[] = [];
  tamper: Tamper = (_path, chunk) => chunk;
  readonly #server: Server;

  constructor(targetPort: () => number) {
    this.#server = createServer((incoming, answer) => {
      const path = incoming.url ?? '';
      this.paths.push(path);
      if (incoming.headers.range !== undefined) this.ranges.push(incoming.headers.range);
      const { method, headers } = incoming;
      const onward = request({ port: targetPort(), host: '127.0.0.1', method, path, headers }, (reply) => {
        answer.writeHead(reply.statusCode ?? 500, reply.headers);
        let offset = 0;
        reply.on('data', (chunk: Buffer) => {
          const passed = this.tamper(path, chunk, offset);
          offset += chunk.length;
          if (passed === undefined) answer.destroy();
          else answer.write(passed);
        });
        reply.on('end', () => answer.end());
        reply.on('error', () => answer.destroy());
      });
      onward.on('error', () => answer.destroy());
      onward.end();
    });
  }

  async open(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
