/** What instances were told at `/init`, seen from inside their processes and unknown to the runtime. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { START_ARGUMENTS } from '@tetris/action-runtime';

export interface ToldSettings {
  workers: number;
  threads: number;
  batch: number;
  batchWaitMs: number;
}

/** Loaded before the runtime; the environment of an instance is not the test's to set, hence the path in the text. */
const preload = (path: string): string => `
const { appendFileSync } = require('node:fs');
const { Server } = require('node:http');
const { emit } = Server.prototype;
Server.prototype.emit = function (event, request, ...rest) {
  if (event === 'request' && request.url === '/init') {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const { name, tetris } = JSON.parse(Buffer.concat(chunks).toString()).value;
      appendFileSync(${JSON.stringify(path)}, JSON.stringify({ name, tetris }) + '\\n');
    });
  }
  return emit.call(this, event, request, ...rest);
};
`;

export class InitRecorder {
  /** `TETRIS_INVOKER_RUNTIME_COMMAND` of instances that are seen. */
  readonly command: string;
  readonly #path: string;

  /** @param folder existing; its path has no comma */
  constructor(folder: string) {
    this.#path = join(folder, 'inits.jsonl');
    writeFileSync(this.#path, '');
    const script = join(folder, 'record-init.cjs');
    writeFileSync(script, preload(this.#path));
    this.command = [process.execPath, '--require', script, ...START_ARGUMENTS].join(',');
  }

  /** Of an action, in order. */
  told(action: string): ToldSettings[] {
    const lines = readFileSync(this.#path, 'utf8').split('\n').slice(0, -1);
    const inits = lines.map((line) => JSON.parse(line) as { name: string; tetris: ToldSettings });
    return inits.filter(({ name }) => name === action).map(({ tetris }) => tetris);
  }
}
