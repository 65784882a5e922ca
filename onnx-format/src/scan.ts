/**
 * Tells what a model is and which files belong to it, without reading it into memory: walks the fields of the protobuf
 * and skips over what it does not need. A model of gigabytes costs a few kilobytes, and others get their turn in
 * between. Whatever onnxruntime's parser would see, this must see: the order of fields does not matter, the last of
 * repeated ones counts, and what parsers read differently is no model.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ByteSource } from './byte-source';
import { MalformedError, ProtobufReader, type Range } from './protobuf-reader';

/** What a model's bytes are. */
export type ModelScan =
  | OnnxScan
  /** onnxruntime's own format (a flatbuffer): weights and graph in one. */
  | { format: 'ort' }
  /** Neither, or damaged. */
  | { format: 'unknown'; detail: string }
  /** A model beyond what is searched here: deeper, or of more fields or files. */
  | { format: 'excessive'; detail: string };

export interface OnnxScan {
  format: 'onnx';
  /** External data files that tensors name, each once, as the model spells them, sorted. */
  locations: string[];
  /** Whether a tensor inside a sub-graph (a body of If, Loop, Scan) is among those that have external data. */
  nestedExternal: boolean;
}

/** Nesting of messages: graphs in attributes of nodes of graphs... */
const DEPTH_MAX = 256;

const LOCATION_BYTES_MAX = 4096;
/** External files of a model that are listed at most. */
const LOCATIONS_MAX = 65_536;

/** Fields read before other work gets a turn: about a millisecond's worth. */
const FIELDS_PER_TURN = 20_000;

/** Fields of one model; one with 20,000 tensors has some 300,000. */
const FIELDS_MAX = 50_000_000;

/** A tag has 32 bits. Some parsers drop what is above, others do not. */
const TAG_MAX = 0xffff_ffff;

/** A flatbuffer's identifier follows its root offset of four bytes. */
const ORT_IDENTIFIER = 'ORTM';
const IDENTIFIER_AT = 4;

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

/** A message that the walk is in. */
interface Frame {
  kind: Kind;
  end: number;
  /** Whether it lies in an attribute of a node. */
  nested: boolean;
  /** Of an entry of external data: its last key and value. */
  key?: Range;
  value?: Range;
}

class ExcessError extends Error {}

/** Reads a model. What its bytes are is an answer, not an error; only a source that fails throws. */
export async function scanModel(source: ByteSource): Promise<ModelScan> {
  if (hasOrtIdentifier(source)) return { format: 'ort' };
  try {
    return await walk(source);
  } catch (error) {
    if (error instanceof ExcessError) return { format: 'excessive', detail: error.message };
    if (error instanceof MalformedError) return { format: 'unknown', detail: error.message };
    throw error;
  }
}

function hasOrtIdentifier(source: ByteSource): boolean {
  const identifier = source.from(IDENTIFIER_AT).subarray(0, ORT_IDENTIFIER.length);
  return Buffer.from(identifier).toString('latin1') === ORT_IDENTIFIER;
}

async function walk(source: ByteSource): Promise<OnnxScan> {
  const reader = new ProtobufReader(source);
  const found = { locations: new Set<string>(), nestedExternal: false };
  const open: Frame[] = [{ kind: 'model', end: source.bytes, nested: false }];
  let hasGraph = false;
  for (let fields = 1, frame = open.at(-1); frame !== undefined; frame = open.at(-1), fields++) {
    if (fields % FIELDS_PER_TURN === 0) await nextTurn();
    if (fields > FIELDS_MAX) throw new ExcessError(`it has more than ${FIELDS_MAX} fields`);
    if (reader.at >= frame.end) {
      if (reader.at !== frame.end) throw new MalformedError(`a field ends at ${reader.at}, outside its message`);
      if (frame.kind === 'entry') addLocation(reader, frame, found);
      open.pop();
      continue;
    }
    const inner = readField(reader, frame);
    if (inner === undefined) continue;
    hasGraph ||= inner.kind === 'graph' && open.length === 1;
    if (open.push(inner) > DEPTH_MAX) throw new ExcessError(`it is nested deeper than ${DEPTH_MAX}`);
  }
  if (!hasGraph) throw new MalformedError(`it has no graph (field ${GRAPH_FIELD})`);
  return { format: 'onnx', locations: [...found.locations].sort(), nestedExternal: found.nestedExternal };
}

/** Reads one field. @returns the message to enter, where it is one that may lead to tensors */
function readField(reader: ProtobufReader, frame: Frame): Frame | undefined {
  const tag = reader.varint();
  const field = Math.floor(tag / 8);
  const type = tag % 8;
  if (tag > TAG_MAX || field === 0) throw new MalformedError(`byte ${reader.at} begins no field`);
  if (type === VARINT) reader.varint();
  else if (type === FIXED64) reader.skip(8, frame.end);
  else if (type === FIXED32) reader.skip(4, frame.end);
  else if (type !== LENGTH) throw new MalformedError(`byte ${reader.at} begins no field`);
  else return enterField(reader, frame, field);
  return undefined;
}

function enterField(reader: ProtobufReader, frame: Frame, field: number): Frame | undefined {
  const length = reader.varint();
  const { at } = reader;
  if (at + length > frame.end) throw new MalformedError(`it is cut short: a field of ${length} bytes begins at ${at}`);
  const kind = FIELDS[frame.kind][field];
  if (kind !== undefined) return { kind, end: at + length, nested: frame.nested || kind === 'attribute' };
  if (frame.kind === 'entry' && field === KEY_FIELD) frame.key = { at, length };
  if (frame.kind === 'entry' && field === VALUE_FIELD) frame.value = { at, length };
  reader.skip(length, frame.end);
  return undefined;
}

interface Found {
  locations: Set<string>;
  nestedExternal: boolean;
}

function addLocation(reader: ProtobufReader, { key, value, end, nested }: Frame, found: Found): void {
  if (key?.length === 'location'.length && reader.text(key) === 'location') {
    const { length } = value ?? { length: 0 };
    if (length > LOCATION_BYTES_MAX) throw new ExcessError(`it has an external location of ${length} bytes`);
    found.locations.add(value === undefined ? '' : reader.text(value));
    found.nestedExternal ||= nested;
    if (found.locations.size > LOCATIONS_MAX) {
      throw new ExcessError(`it names more than ${LOCATIONS_MAX} external files`);
    }
  }
  reader.at = end;
}
