/**
 * onnxruntime's note about the packed forms of a weight, an `external_data` entry of its own:
 *
 *     prepacked_0 = "<operator>+<hash>|<offset>;<length>;<checksum>[|<offset>;<length>;<checksum>...]"
 *
 * Offsets count in the file that holds the weight itself.
 */
export interface PackedBlob {
  offset: number;
  length: number;
  checksum: string;
}

export interface PackedForm {
  /** Operator and hash, by which a kernel finds its own form. */
  id: string;
  blobs: PackedBlob[];
}

const BLOB = /^(\d+);(\d+);(\d+)$/;

export function isPackedKey(key: string): boolean {
  return /^prepacked_\d+$/.test(key);
}

/** @throws RangeError where the text is not such a note */
export function parsePacked(text: string): PackedForm {
  const [id = '', ...parts] = text.split('|');
  const blobs = parts.map((part) => {
    const [, offset, length, checksum] = BLOB.exec(part) ?? [];
    if (offset === undefined || length === undefined || checksum === undefined) {
      throw new RangeError(`not a packed form: '${text.slice(0, 200)}'`);
    }
    return { offset: Number(offset), length: Number(length), checksum };
  });
  if (id === '' || blobs.length === 0) throw new RangeError(`not a packed form: '${text.slice(0, 200)}'`);
  return { id, blobs };
}

/**
 * Whether onnxruntime can read the form back. A kernel may save a place that it left empty (some quantized
 * convolutions do); a length of 0 is then read as that of the whole file, and the load fails or the kernel is given
 * bytes where it had none. Without its note the weight is packed anew by each session, as without sharing.
 */
export function isReadable({ blobs }: PackedForm): boolean {
  return blobs.every(({ length }) => length > 0);
}

export function formatPacked({ id, blobs }: PackedForm): string {
  return [id, ...blobs.map(({ offset, length, checksum }) => `${offset};${length};${checksum}`)].join('|');
}
