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

export function formatPacked({ id, blobs }: PackedForm): string {
  return [id, ...blobs.map(({ offset, length, checksum }) => `${offset};${length};${checksum}`)].join('|');
}
