/**
 * Tensor files out of the optimizer's one data file. Bytes are moved from that file's end to its start, and it is cut
 * shorter on the way: no byte is there twice, so that the largest tensor needs no room beside what its model takes.
 */
import { createHash } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { sizeFirst } from '../store/files';
import { type Cut, layOut } from './graph-rewrite';

/** Bytes moved and hashed at a time. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** Published files are immutable. */
const PUBLISHED_MODE = 0o444;

/** A range of the data file, and where it goes. */
export interface Move {
  offset: number;
  length: number;
  /** Offset in the tensor's file. */
  to: number;
  /** Bytes of the data file up to here are still wanted by later moves. */
  floor: number;
}

/** What one tensor file is made of. */
export interface TensorFile {
  cut: Cut;
  /** Bytes that lay in the graph, and padding: no holes, because whoever first touches one is charged for the page. */
  given: { bytes: Uint8Array; to: number }[];
  /** In this order. */
  moves: Move[];
}

/**
 * Orders cuts and their ranges so that the data file is used up from its end.
 * @throws RangeError where they want more bytes than the data file has: some would be there twice
 */
export function planTensorFiles(cuts: readonly Cut[], dataBytes: number): TensorFile[] {
  const files = cuts.map(tensorFile).sort((one, other) => firstEnd(other) - firstEnd(one));
  let floor = 0;
  let wanted = 0;
  for (const move of files.flatMap(({ moves }) => moves).reverse()) {
    move.floor = floor;
    floor = Math.max(floor, endOf(move));
    wanted += move.length;
  }
  if (wanted > dataBytes) throw new RangeError(`its tensors have ${wanted} bytes, its data file ${dataBytes}`);
  return files;
}

function tensorFile(cut: Cut): TensorFile {
  const { offsets } = layOut(cut.parts.map(({ length }) => length));
  const file: TensorFile = { cut, given: [], moves: [] };
  let end = 0;
  for (const [index, part] of cut.parts.entries()) {
    const to = offsets[index] ?? 0;
    if (to > end) file.given.push({ bytes: new Uint8Array(to - end), to: end });
    if (part instanceof Uint8Array) file.given.push({ bytes: part, to });
    else file.moves.push({ ...part, to, floor: 0 });
    end = to + part.length;
  }
  file.moves.sort((one, other) => endOf(other) - endOf(one));
  return file;
}

function endOf({ offset, length }: { offset: number; length: number }): number {
  return offset + length;
}

const endOfGiven = ({ bytes, to }: TensorFile['given'][number]): number => to + bytes.length;

function firstEnd({ moves: [first] }: TensorFile): number {
  return first === undefined ? 0 : endOf(first);
}

/**
 * Writes a tensor's file.
 *
 * @param data the data file, open for reading and writing; what has been moved is cut off it
 * @param scope among whom the file is shared; empty: all. In another scope the same bytes have another digest.
 * @returns SHA-256 of what was written, whatever anybody claims or changes meanwhile
 * @throws RangeError where the data file ends before a range does
 */
export function writeTensorFile(
  path: string,
  { given, moves }: TensorFile,
  data: number | undefined,
  { sync, scope, chunkBytes = CHUNK_BYTES }: { sync: boolean; scope: string; chunkBytes?: number },
): string {
  const file = openSync(path, 'wx+', PUBLISHED_MODE);
  try {
    sizeFirst(file, Math.max(0, ...moves.map(({ to, length }) => to + length), ...given.map(endOfGiven)));
    const chunk = Buffer.allocUnsafe(chunkBytes);
    for (const move of moves) moveBytes(data ?? -1, file, move, chunk);
    for (const { bytes, to } of given) writeAll(file, bytes, to);
    fchmodSync(file, PUBLISHED_MODE);
    if (sync) fsyncSync(file);
    return digestOf(file, chunk, scope);
  } finally {
    closeSync(file);
  }
}

function moveBytes(from: number, file: number, { offset, length, to, floor }: Move, chunk: Buffer): void {
  for (let left = length; left > 0;) {
    const bytes = Math.min(chunk.length, left);
    left -= bytes;
    readAll(from, chunk.subarray(0, bytes), offset + left);
    writeAll(file, chunk.subarray(0, bytes), to + left);
    ftruncateSync(from, Math.max(floor, offset + left));
  }
}

/** Reads a part of the data file. @throws RangeError where the file ends before it does */
export function readRange(path: string, { offset, length }: { offset: number; length: number }): Uint8Array {
  const file = openSync(path, 'r');
  try {
    const bytes = new Uint8Array(length);
    readAll(file, bytes, offset);
    return bytes;
  } finally {
    closeSync(file);
  }
}

function readAll(file: number, into: Uint8Array, at: number): void {
  for (let done = 0; done < into.length;) {
    const read = readSync(file, into, done, into.length - done, at + done);
    if (read === 0) throw new RangeError(`the data file ends at ${at + done}, before a tensor does`);
    done += read;
  }
}

function writeAll(file: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done, at + done);
}

function digestOf(file: number, chunk: Buffer, scope: string): string {
  const hash = createHash('sha256');
  if (scope !== '') hash.update(`${scope}\0`);
  for (let at = 0; ;) {
    const read = readSync(file, chunk, 0, chunk.length, at);
    if (read === 0) return hash.digest('hex');
    hash.update(chunk.subarray(0, read));
    at += read;
  }
}
