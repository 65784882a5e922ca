/** Output of a pod's container: from the node's file, or from the API server where there is none. */
import { watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogLine } from './container';
import { LineSplitter } from './log-lines';
import type { Pod } from './kubernetes-types';

const SPACE = 0x20;
const NEWLINE = Buffer.from('\n');

/**
 * Takes lines of a container runtime's log apart: `<time> stdout|stderr F|P <text>`, P for a piece of a longer line.
 * The API
 * server leaves the two words in the middle out, so all is stdout there, as stock has it.
 */
export class PodLogReader {
  readonly #splitters: Record<LogLine['stream'], LineSplitter>;
  readonly #plain: boolean;
  #rest: Buffer = Buffer.alloc(0);
  #atMs = 0;

  constructor(emit: (line: LogLine) => void, { plain = false } = {}) {
    const splitter = (stream: LogLine['stream']): LineSplitter =>
      new LineSplitter((text) => emit({ atMs: this.#atMs, stream, text }));
    this.#splitters = { stdout: splitter('stdout'), stderr: splitter('stderr') };
    this.#plain = plain;
  }

  push(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE)) {
      this.#line(data.subarray(0, end));
      data = data.subarray(end + 1);
    }
    this.#rest = data;
  }

  /** What came without a newline before the container ended. */
  end(): void {
    if (this.#rest.length > 0) this.#line(this.#rest);
    this.#rest = Buffer.alloc(0);
    this.#splitters.stdout.end();
    this.#splitters.stderr.end();
  }

  #line(line: Buffer): void {
    const [time, afterTime] = word(line, 0);
    const [stream, afterStream] = this.#plain ? ['stdout', afterTime] : word(line, afterTime);
    const [tag, text] = this.#plain ? ['F', afterStream] : word(line, afterStream);
    const atMs = Date.parse(time.replace(/\.(\d{3})\d*/, '.$1'));
    if (!Number.isNaN(atMs)) this.#atMs = atMs;
    const splitter = this.#splitters[stream === 'stderr' ? 'stderr' : 'stdout'];
    splitter.push(line.subarray(text));
    if (!tag.startsWith('P')) splitter.push(NEWLINE);
  }
}

/** The word at an offset, and the offset of what follows it. */
function word(line: Buffer, from: number): [text: string, next: number] {
  const space = line.indexOf(SPACE, from);
  const end = space < 0 ? line.length : space;
  return [line.toString('latin1', from, end), Math.min(end + 1, line.length)];
}

/** `<folder>/<namespace>_<pod>_<uid>/<container>`, in which kubelet keeps the log. */
export function logFolder(folder: string, { metadata }: Pod, container: string): string {
  return join(folder, `${metadata.namespace}_${metadata.name}_${metadata.uid}`, container);
}

const CHUNK_BYTES = 65_536;
/** A folder is looked for this often, and a file in it where the node does not tell of changes. */
const LOOK_MS = 100;
const CHANGE_MS = 1000;

/** Waits for the container's log file. @returns its path; undefined where it does not come in time */
export async function awaitLog(folder: string, withinMs: number, signal: AbortSignal): Promise<string | undefined> {
  const path = join(folder, '0.log');
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    if (await stat(path).catch(() => undefined)) return path;
    if (waitedMs >= withinMs || signal.aborted) return undefined;
    await sleep(LOOK_MS, undefined, { ref: false, signal }).catch(() => undefined);
  }
}

/**
 * Reads a log file as it grows, also across its rotation, until the signal says that nothing more is written; what is
 * there then is still read, though its name may be gone.
 */
export async function followLog(path: string, onChunk: (chunk: Buffer) => void, ended: AbortSignal): Promise<void> {
  const changes = new Changes(path, ended);
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    while (!ended.aborted) {
      const changed = changes.next();
      await readRest(file, onChunk);
      const rotated = await isAnother(file, path);
      if (!rotated) {
        await changed;
        continue;
      }
      await readRest(file, onChunk);
      await file.close();
      file = await open(path);
    }
    await readRest(file, onChunk);
  } finally {
    changes.close();
    await file?.close();
  }
}

/** The API server's log, until its end or the signal. */
export async function readApiLog(
  stream: Readable,
  onChunk: (chunk: Buffer) => void,
  ended: AbortSignal,
): Promise<void> {
  const stop = (): void => void stream.destroy();
  ended.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) onChunk(chunk);
  } finally {
    ended.removeEventListener('abort', stop);
    stop();
  }
}

async function readRest(file: FileHandle, onChunk: (chunk: Buffer) => void): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES);
    if (bytesRead === 0) return;
    onChunk(Buffer.from(buffer.subarray(0, bytesRead)));
  }
}

async function isAnother(file: FileHandle, path: string): Promise<boolean> {
  const [mine, current] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return current !== undefined && current.ino !== mine.ino;
}

/** Changes of a file, by the kernel's notice or after a while. */
class Changes {
  readonly #watcher: ReturnType<typeof watch>;
  readonly #ended: AbortSignal;
  #wake: () => void = () => undefined;
  readonly #stop = (): void => this.#wake();

  constructor(path: string, ended: AbortSignal) {
    this.#ended = ended;
    this.#watcher = watch(join(path, '..'), { persistent: false }, () => this.#wake());
    // The folder may go before its reader does.
    this.#watcher.on('error', () => undefined);
    ended.addEventListener('abort', this.#stop);
  }

  /** Resolves at the next change from now on. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CHANGE_MS).unref();
      this.#wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#ended.aborted) this.#wake();
    });
  }

  close(): void {
    this.#ended.removeEventListener('abort', this.#stop);
    this.#watcher.close();
    this.#wake();
  }
}
