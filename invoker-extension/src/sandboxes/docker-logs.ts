import type { LogLine } from './container';
import { LineSplitter } from './log-lines';

/** A frame: 1 byte stream, 3 bytes nothing, 4 bytes big-endian length, then the payload. */
const HEADER_BYTES = 8;
const STDERR = 2;
/** The engine's timestamps have a fixed width and end with a space: `2026-01-01T00:00:00.250000000Z `. */
const TIMESTAMP_BYTES = 31;
const MILLISECONDS_END = 23;

/**
 * Takes the engine's log stream apart: frames of two streams, each with the time at which the container wrote it.
 * A long line comes as several frames, of which only the last ends with a newline.
 */
export class DockerLogReader {
  readonly #splitters: Record<LogLine['stream'], LineSplitter>;
  #rest: Buffer = Buffer.alloc(0);
  #atMs = 0;

  constructor(emit: (line: LogLine) => void) {
    const splitter = (stream: LogLine['stream']): LineSplitter =>
      new LineSplitter((text) => emit({ atMs: this.#atMs, stream, text }));
    this.#splitters = { stdout: splitter('stdout'), stderr: splitter('stderr') };
  }

  push(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (data.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + data.readUInt32BE(4);
      if (data.length < end) break;
      this.#frame(data[0] === STDERR ? 'stderr' : 'stdout', data.subarray(HEADER_BYTES, end));
      data = data.subarray(end);
    }
    this.#rest = data;
  }

  /** What came without a newline before the container ended. */
  end(): void {
    this.#splitters.stdout.end();
    this.#splitters.stderr.end();
  }

  #frame(stream: LogLine['stream'], payload: Buffer): void {
    this.#atMs = Date.parse(`${payload.toString('latin1', 0, MILLISECONDS_END)}Z`);
    this.#splitters[stream].push(payload.subarray(TIMESTAMP_BYTES));
  }
}
