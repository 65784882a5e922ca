/** Output of a container cut into lines, and lines sorted by the activation they belong to. */
import { StringDecoder } from 'node:string_decoder';

/** Longest piece of a line; longer ones go on in the next piece, as Docker does at 16 KiB. Characters. */
const LINE_MAX = 65_536;

const TAG = '\u0001';

/** A line's text and the activation it names; the tag is how the runtime tells concurrent activations apart. */
export interface TaggedLine {
  activationId: string | undefined;
  text: string;
}

/** `\u0001<activationId>\u0001text` -> its parts. */
export function readTag(line: string): TaggedLine {
  const end = line.startsWith(TAG) ? line.indexOf(TAG, 1) : -1;
  return end < 0
    ? { activationId: undefined, text: line }
    : { activationId: line.slice(1, end), text: line.slice(end + 1) };
}

/** Cuts one stream into lines. A piece of a line longer than the bound carries the line's tag on. */
export class LineSplitter {
  readonly #emit: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(emit: (line: string) => void) {
    this.#emit = emit;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(this.#shorten(line.replace(/\r$/, '')));
    this.#rest = this.#shorten(rest);
  }

  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#emit(this.#shorten(rest));
  }

  /** Emits what is too long piece by piece; gives the last piece. */
  #shorten(line: string): string {
    let rest = line;
    while (rest.length > LINE_MAX) {
      this.#emit(rest.slice(0, LINE_MAX));
      rest = tagOf(rest) + rest.slice(LINE_MAX);
    }
    return rest;
  }
}

function tagOf(text: string): string {
  const { activationId } = readTag(text);
  return activationId === undefined ? '' : `${TAG}${activationId}${TAG}`;
}
