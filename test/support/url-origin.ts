import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LoopbackServer } from './loopback-server';

/** What lies at a path, and what its server says of it. */
export interface UrlContent {
  /** Path of the file that is served. */
  file: string;
  etag?: string;
  lastModified?: string;
}

/** A server of model files that answers conditional requests, and counts what it sends. */
export class UrlOrigin extends LoopbackServer {
  readonly contents = new Map<string, UrlContent>();
  /** Bodies begun. */
  bodies = 0;
  /** Answers that nothing has changed. */
  confirmations = 0;

  constructor() {
    super((request, answer) => this.#serve(request, answer));
  }

  #serve({ url = '', headers }: IncomingMessage, answer: ServerResponse): void {
    const content = this.contents.get(url);
    if (content === undefined) return void answer.writeHead(404).end();
    const { file, etag, lastModified } = content;
    const validators = {
      ...(etag !== undefined && { etag }),
      ...(lastModified !== undefined && { 'last-modified': lastModified }),
    };
    const tags = headers['if-none-match']?.split(', ');
    const same =
      tags === undefined
        ? lastModified !== undefined && headers['if-modified-since'] === lastModified
        : tags.includes(etag ?? '');
    if (same) {
      this.confirmations++;
      return void answer.writeHead(304, validators).end();
    }
    this.bodies++;
    answer.writeHead(200, validators).end(readFileSync(file));
  }
}
