import type { ByteSource } from './byte-source';

/** Where bytes of the model lie. */
export interface Range {
  at: number;
  length: number;
}

/** Says that what is read is no protobuf, or not one that every parser reads alike. */
export class MalformedError extends Error {}

/** Reads numbers and texts of a protobuf, and skips over the rest. @throws MalformedError from every method */
export class ProtobufReader {
  at = 0;
  readonly #source: ByteSource;
  #window: Uint8Array = new Uint8Array();
  #start = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1, count = 0; count < 10; scale *= 128, count++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new MalformedError(`byte ${this.at} begins no number`);
  }

  /** @param end of the message: nothing lies behind it */
  skip(length: number, end: number): void {
    this.at += length;
    if (this.at > end) throw new MalformedError(`it is cut short at ${end}`);
  }

  /** The text of a range; leaves `at` behind it. */
  text({ at, length }: Range): string {
    this.at = at;
    const bytes = Buffer.alloc(length);
    for (let index = 0; index < length; index++) bytes[index] = this.#byte();
    return bytes.toString('utf8');
  }

  #byte(): number {
    let byte = this.#window[this.at - this.#start];
    if (byte === undefined || this.at >= this.#source.bytes) {
      this.#window = this.at < this.#source.bytes ? this.#source.from(this.at) : new Uint8Array();
      this.#start = this.at;
      byte = this.#window[0];
      if (byte === undefined) throw new MalformedError(`it is cut short at ${this.at}`);
    }
    this.at++;
    return byte;
  }
}
