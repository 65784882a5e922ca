import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { LoopbackServer } from './loopback-server';

/** What becomes of the bytes of one answer; undefined cuts the connection there. */
export type Tamper = (path: string, chunk: Buffer, offset: number) => Buffer | undefined;

/** Stands between a daemon and its peer, and passes on what it likes. */
export class TamperingProxy extends LoopbackServer {
  readonly paths: string[] = [];
  readonly ranges: string[] = [];
  tamper: Tamper = (_path, chunk) => chunk;
  readonly #targetPort: () => number;

  constructor(targetPort: () => number) {
    super((incoming, answer) => this.#pass(incoming, answer));
    this.#targetPort = targetPort;
  }

  #pass(incoming: IncomingMessage, answer: ServerResponse): void {
    const path = incoming.url ?? '';
    this.paths.push(path);
    if (incoming.headers.range !== undefined) this.ranges.push(incoming.headers.range);
    const { method, headers } = incoming;
    const onward = request({ port: this.#targetPort(), host: '127.0.0.1', method, path, headers }, (reply) => {
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
  }
}
