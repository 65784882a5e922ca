import { Socket } from 'node:net';

const BROKEN = new Set(['EPIPE', 'ECONNRESET']);

type Written = (error?: Error | null) => void;

/**
 * A socket that does not fail when the other end stops reading, but goes on reading itself: whoever refuses a request
 * answers before it closes, and that answer is worth more than the broken pipe. A write to a broken pipe never ends;
 * the end of the reading, or a bound on silence, ends the connection.
 */
export class AnswerFirstSocket extends Socket {
  override _write(chunk: unknown, encoding: BufferEncoding, written: Written): void {
    super._write(chunk, encoding, unlessBroken(written));
  }

  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], written: Written): void {
    super._writev?.(chunks, unlessBroken(written));
  }
}

const unlessBroken =
  (written: Written): Written =>
  (error) => {
    if (error == null || !BROKEN.has((error as NodeJS.ErrnoException).code ?? '')) written(error);
  };
