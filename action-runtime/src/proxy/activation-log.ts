import { StringDecoder } from 'node:string_decoder';
import type { ActivationContext, Work } from './context';

/** Ends an activation's log on each stream (`Container.scala` of OpenWhisk). */
export const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';

/** A line without its end is written out when it reaches this many characters. */
const LINE_CHARACTERS_MAX = 64 * 1024;

/** The log of activations: whatever user code writes to stdout and stderr, ended by sentinels. */
export interface ActivationLog {
  /** Writes the sentinels of a piece of work and resolves when both streams have taken everything. */
  end(work: Work): Promise<void>;
}

/** As OpenWhisk's own runtimes write: lines as they come. */
export class PlainLog implements ActivationLog {
  async end(): Promise<void> {
    const line = `${SENTINEL}\n`;
    await Promise.all([written(process.stdout, line), written(process.stderr, line)]);
  }
}

/**
 * Every line is prefixed with its activation's id between two U+0001, sentinels included, so that the lines of
 * activations that run at the same time can be told apart. Lines of no known activation stay bare.
 */
export class TaggedLog implements ActivationLog {
  readonly #streams: readonly TaggedStream[];

  constructor(context: ActivationContext) {
    this.#streams = [new TaggedStream(process.stdout, context), new TaggedStream(process.stderr, context)];
  }

  async end(work: Work): Promise<void> {
    await Promise.all(this.#streams.map((stream) => stream.end(work)));
  }
}

interface Unfinished {
  decoder: StringDecoder;
  text: string;
}

class TaggedStream {
  readonly #write: (text: string, done?: () => void) => boolean;
  readonly #unfinished = new WeakMap<Work, Unfinished>();

  constructor(stream: NodeJS.WriteStream, context: ActivationContext) {
    const write = stream.write.bind(stream);
    this.#write = (text, done) => write(text, 'utf8', done);
    stream.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
      const work = context.current();
      if (work === undefined) return Reflect.apply(write, stream, [chunk, ...rest]) as boolean;
      const done = rest.find((item) => typeof item === 'function') as (() => void) | undefined;
      const encoding = typeof rest[0] === 'string' ? (rest[0] as BufferEncoding) : 'utf8';
      return this.#write(this.#lines(work, typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk), done);
    };
  }

  async end(work: Work): Promise<void> {
    const rest = this.#unfinished.get(work);
    this.#unfinished.delete(work);
    const last = rest === undefined ? '' : rest.text + rest.decoder.end();
    const lines = last === '' ? [SENTINEL] : [last, SENTINEL];
    await new Promise<void>((resolve) =>
      this.#write(lines.map((line) => tagged(work, line)).join(''), () => resolve()),
    );
  }

  /** The finished lines after a chunk, tagged; what is left waits for its line end. */
  #lines(work: Work, chunk: Uint8Array): string {
    const unfinished = this.#unfinished.get(work) ?? { decoder: new StringDecoder('utf8'), text: '' };
    this.#unfinished.set(work, unfinished);
    const lines = (unfinished.text + unfinished.decoder.write(Buffer.from(chunk))).split('\n');
    unfinished.text = lines.pop() ?? '';
    if (unfinished.text.length >= LINE_CHARACTERS_MAX) {
      lines.push(unfinished.text);
      unfinished.text = '';
    }
    return lines.map((line) => tagged(work, line)).join('');
  }
}

function tagged(work: Work, line: string): string {
  return `\u0001${work.activationId}\u0001${line}\n`;
}

function written(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve) => stream.write(text, () => resolve()));
}
