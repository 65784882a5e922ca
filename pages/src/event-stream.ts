/** Server-sent events: the same state to everybody who watches, and no work while nobody does. */
import type { FastifyReply } from 'fastify';
import type { ServerResponse } from 'node:http';

export interface EventStreamOptions {
  /** The state now. */
  read: () => unknown;
  /** Between two looks at the state, ms. */
  intervalMs: number;
  /** Watchers at once. */
  watchersMax: number;
}

/** After a broken connection browsers come back so soon, ms. */
const RETRY_MS = 2_000;

export class EventStream {
  readonly #options: EventStreamOptions;
  readonly #watchers = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Lets one more watch, or answers 503. */
  watch(reply: FastifyReply): FastifyReply {
    const { watchersMax, intervalMs } = this.#options;
    if (this.#watchers.size >= watchersMax) {
      return reply.status(503).send({ error: `${watchersMax} pages watch already; close one and reload.` });
    }
    const first = this.#event();
    reply.hijack();
    const response = reply.raw;
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    response.write(`retry: ${RETRY_MS}\n${first}`);
    this.#watchers.add(response);
    response.on('close', () => this.#left(response));
    this.#timer ??= setInterval(() => this.send(), intervalMs).unref();
    return reply;
  }

  /** The state to everybody, now. Who has not read the last one is passed over. */
  send(): void {
    const event = this.#event();
    for (const response of this.#watchers) if (!response.writableNeedDrain) response.write(event);
  }

  close(): void {
    for (const response of this.#watchers) response.end();
  }

  #event(): string {
    return `data: ${JSON.stringify(this.#options.read())}\n\n`;
  }

  #left(response: ServerResponse): void {
    this.#watchers.delete(response);
    if (this.#watchers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
