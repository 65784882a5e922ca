/**
 * Finds the external data files that a model names, without reading the model into memory: it walks the fields of the
 * protobuf and skips over what it does not need. A model of gigabytes costs a few kilobytes.
 */
import { readSync } from 'node:fs';
import { PluginError } from '@tetris/common/errors';

const WINDOW_BYTES = 64 * 1024;

/** Nesting of messages: graphs in attributes of nodes of graphs... */
const DEPTH_MAX = 256;

const LOCATION_BYTES_MAX = 4096;
const LOCATIONS_MAX = 4096;

type Kind = 'model' | 'graph' | 'function' | 'node' | 'attribute' | 'tensor' | 'sparse' | 'entry';

/** Which fields lead to tensors, by message: field number to the message inside. */
const FIELDS: Readonly<Record<Kind, Readonly<Record<number, Kind>>>> = {
  model: { 7: 'graph', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'entry' },
  entry: {},
};

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/**
 * @param file descriptor of the model, `bytes` long
 * @returns the locations, each once
 * @throws PluginError `ERR_MODEL_INVALID` where the file is no protobuf of a model
 */
export function externalLocations(file: number, bytes: number): string[] {
  const reader = new Reader(file, bytes);
  const found = new Set<string>();
  const model = walk(reader, 'model', bytes, found, 0);
  if (!model.has(7)) throw invalid('it has no graph');
  return [...found];
}

/** Walks one message. @returns the field numbers it has */
function walk(reader: Reader, kind: Kind, end: number, found: Set<string>, depth: number): Set<number> {
  if (depth > DEPTH_MAX) throw invalid(`it is nested deeper than ${DEPTH_MAX}`);
  const seen = new Set<number>();
  let key = '';
  while (reader.at < end) {
    const tag = reader.varint();
    const field = Math.floor(tag / 8);
    const type = tag % 8;
    seen.add(field);
    if (type === VARINT) reader.varint();
    else if (type === FIXED64) reader.skip(8, end);
    else if (type === FIXED32) reader.skip(4, end);
    else if (type !== LENGTH || field === 0) throw invalid(`byte ${reader.at} begins no field`);
    else {
      const length = reader.varint();
      const inner = FIELDS[kind][field];
      if (reader.at + length > end) throw invalid(`it is cut short: a field of ${length} bytes begins at ${reader.at}`);
      if (inner !== undefined) walk(reader, inner, reader.at + length, found, depth + 1);
      else if (kind === 'entry' && field === 1) key = reader.text(length);
      else if (kind === 'entry' && field === 2 && key === 'location') found.add(reader.text(length));
      else reader.skip(length, end);
    }
  }
  if (reader.at !== end) throw invalid(`a field ends at ${reader.at}, outside its message`);
  if (found.size > LOCATIONS_MAX) throw invalid(`it names more than ${LOCATIONS_MAX} external files`);
  return seen;
}

/** A window that moves over the file. */
class Reader {
  at = 0;
  readonly #file: number;
  readonly #bytes: number;
  readonly #window = Buffer.allocUnsafe(WINDOW_BYTES);
  #start = 0;
  #end = 0;

  constructor(file: number, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1, count = 0; count < 10; scale *= 128, count++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw invalid(`byte ${this.at} begins no number`);
  }

  skip(length: number, end: number): void {
    this.at += length;
    if (this.at > end) throw invalid(`it is cut short at ${end}`);
  }

  text(length: number): string {
    if (length > LOCATION_BYTES_MAX) throw invalid(`it has an external data entry of ${length} bytes`);
    const bytes = Buffer.alloc(length);
    for (let index = 0; index < length; index++) bytes[index] = this.#byte();
    return bytes.toString('utf8');
  }

  #byte(): number {
    if (this.at < this.#start || this.at >= this.#end) this.#fill();
    const byte = this.#window[this.at - this.#start];
    this.at++;
    return byte ?? 0;
  }

  #fill(): void {
    const read = this.at < this.#bytes ? readSync(this.#file, this.#window, 0, WINDOW_BYTES, this.at) : 0;
    if (read === 0) throw invalid(`it is cut short at ${this.at}`);
    this.#start = this.at;
    this.#end = this.at + read;
  }
}

function invalid(reason: string): PluginError {
  return new PluginError('ERR_MODEL_INVALID', `not an ONNX model, or a damaged one: ${reason}`);
}
