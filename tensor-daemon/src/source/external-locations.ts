/**
 * Finds the external data files that a model names, without reading the model into memory: it walks the fields of the
 * protobuf and skips over what it does not need. A model of gigabytes costs a few kilobytes, and others get their turn
 * in between. Whatever onnxruntime's parser would see, this must see: the order of fields does not matter, the last of
 * repeated ones counts, and what parsers read differently is refused.
 */
import { readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PluginError } from '@tetris/common/errors';

const WINDOW_BYTES = 64 * 1024;

/** Nesting of messages: graphs in attributes of nodes of graphs... */
const DEPTH_MAX = 256;

const LOCATION_BYTES_MAX = 4096;
const LOCATIONS_MAX = 4096;

/** Fields read before other work gets a turn: about a millisecond's worth. */
const FIELDS_PER_TURN = 20_000;

/** Fields of one model; one with 20,000 tensors has some 300,000. */
const FIELDS_MAX = 50_000_000;

/** A tag has 32 bits. Some parsers drop what is above, others do not. */
const TAG_MAX = 0xffff_ffff;

type Kind = 'model' | 'training' | 'graph' | 'function' | 'node' | 'attribute' | 'tensor' | 'sparse' | 'entry';

/** Which fields lead to tensors, by message: field number to the message inside. */
const FIELDS: Readonly<Record<Kind, Readonly<Record<number, Kind>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node', 11: 'attribute' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'entry' },
  entry: {},
};
const GRAPH_FIELD = 7;
const KEY_FIELD = 1;
const VALUE_FIELD = 2;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** Where bytes of the file lie. */
interface Range {
  at: number;
  length: number;
}

/** A message that the walk is in. */
interface Frame {
  kind: Kind;
  end: number;
  /** Of an entry of external data: its last key and value. */
  key?: Range;
  value?: Range;
}

/**
 * @param file descriptor of the model, `bytes` long
 * @returns the locations, each once
 * @throws PluginError `ERR_MODEL_INVALID` where the file is no protobuf of a model, `ERR_MODEL_TOO_LARGE`
 */
export async function externalLocations(file: number, bytes: number): Promise<string[]> {
  const reader = new Reader(file, bytes);
  const found = new Set<string>();
  const open: Frame[] = [{ kind: 'model', end: bytes }];
  let hasGraph = false;
  for (let fields = 1, frame = open.at(-1); frame !== undefined; frame = open.at(-1), fields++) {
    if (fields % FIELDS_PER_TURN === 0) await nextTurn();
    if (fields > FIELDS_MAX) throw new PluginError('ERR_MODEL_TOO_LARGE', `it has more than ${FIELDS_MAX} fields`);
    if (reader.at >= frame.end) {
      if (reader.at !== frame.end) throw invalid(`a field ends at ${reader.at}, outside its message`);
      if (frame.kind === 'entry') addLocation(reader, frame, found);
      open.pop();
      continue;
    }
    const inner = readField(reader, frame);
    if (inner === undefined) continue;
    hasGraph ||= inner.kind === 'graph' && open.length === 1;
    if (open.push(inner) > DEPTH_MAX) throw invalid(`it is nested deeper than ${DEPTH_MAX}`);
  }
  if (!hasGraph) throw invalid(`it has no graph (field ${GRAPH_FIELD})`);
  return [...found];
}

/** Reads one field. @returns the message to enter, where it is one that may lead to tensors */
function readField(reader: Reader, frame: Frame): Frame | undefined {
  const tag = reader.varint();
  const field = Math.floor(tag / 8);
  const type = tag % 8;
  if (tag > TAG_MAX || field === 0) throw invalid(`byte ${reader.at} begins no field`);
  if (type === VARINT) reader.varint();
  else if (type === FIXED64) reader.skip(8, frame.end);
  else if (type === FIXED32) reader.skip(4, frame.end);
  else if (type !== LENGTH) throw invalid(`byte ${reader.at} begins no field`);
  else {
    const length = reader.varint();
    const { at } = reader;
    if (at + length > frame.end) throw invalid(`it is cut short: a field of ${length} bytes begins at ${at}`);
    const inner = FIELDS[frame.kind][field];
    if (inner !== undefined) return { kind: inner, end: at + length };
    if (frame.kind === 'entry' && field === KEY_FIELD) frame.key = { at, length };
    if (frame.kind === 'entry' && field === VALUE_FIELD) frame.value = { at, length };
    reader.skip(length, frame.end);
  }
  return undefined;
}

function addLocation(reader: Reader, { key, value, end }: Frame, found: Set<string>): void {
  const none = { at: end, length: 0 };
  if (key?.length === 'location'.length && reader.text(key) === 'location') found.add(reader.text(value ?? none));
  reader.at = end;
  if (found.size > LOCATIONS_MAX) throw invalid(`it names more than ${LOCATIONS_MAX} external files`);
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

  /** The text of a range; leaves `at` behind it. */
  text({ at, length }: Range): string {
    if (length > LOCATION_BYTES_MAX) throw invalid(`it has an external location of ${length} bytes`);
    this.at = at;
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
