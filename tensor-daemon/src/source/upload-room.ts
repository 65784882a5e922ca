import { PluginError } from '@tetris/common';

export interface UploadLimits {
  uploadsMax: number;
  uploadBytesMax: number;
  uploadsPerNamespaceMax: number;
  uploadBytesPerNamespaceMax: number;
}

/** What an upload takes up. */
export interface UploadEntry {
  bytes: number;
  /** Of whoever sent it; empty where nobody vouches for one. */
  namespace: string;
}

/** How much may be uploaded: of all, and of each namespace. Pure. */
export class UploadRoom {
  readonly #limits: UploadLimits;
  readonly #entries = new Set<UploadEntry>();

  constructor(limits: UploadLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return sumOf(this.#entries);
  }

  /** What fits into an empty room. */
  get most(): { bytes: number; files: number } {
    const { uploadsMax, uploadBytesMax, uploadsPerNamespaceMax, uploadBytesPerNamespaceMax } = this.#limits;
    return {
      bytes: Math.min(uploadBytesMax, uploadBytesPerNamespaceMax),
      files: Math.min(uploadsMax, uploadsPerNamespaceMax),
    };
  }

  /** Takes one in, of no bytes yet. @throws PluginError `ERR_UPLOAD_LIMIT` (retriable) */
  enter(namespace: string): UploadEntry {
    const { uploadsMax, uploadsPerNamespaceMax } = this.#limits;
    if (this.#entries.size >= uploadsMax) throw limit(`${uploadsMax} uploads are kept already`);
    if (namespace !== '' && this.#of(namespace).length >= uploadsPerNamespaceMax) {
      throw limit(`${uploadsPerNamespaceMax} uploads of the namespace are kept already`);
    }
    const entry = { bytes: 0, namespace };
    this.#entries.add(entry);
    return entry;
  }

  /**
   * Has one grow.
   * @param bytesMax its own limit
   * @throws PluginError `ERR_MODEL_TOO_LARGE` where it could never fit; `ERR_UPLOAD_LIMIT` (retriable)
   */
  grow(entry: UploadEntry, bytes: number, bytesMax: number): void {
    const { uploadBytesMax, uploadBytesPerNamespaceMax } = this.#limits;
    const most = Math.min(bytesMax, this.most.bytes);
    if (entry.bytes + bytes > most) throw tooLarge(`it has more than ${most} bytes, the limit`);
    if (this.bytes + bytes > uploadBytesMax) throw limit(`uploads may have ${uploadBytesMax} bytes together`);
    const own = sumOf(this.#of(entry.namespace));
    if (entry.namespace !== '' && own + bytes > uploadBytesPerNamespaceMax) {
      throw limit(`uploads of a namespace may have ${uploadBytesPerNamespaceMax} bytes together`);
    }
    entry.bytes += bytes;
  }

  leave(entry: UploadEntry): void {
    this.#entries.delete(entry);
  }

  #of(namespace: string): UploadEntry[] {
    return [...this.#entries].filter((entry) => entry.namespace === namespace);
  }
}

function sumOf(entries: Iterable<UploadEntry>): number {
  let total = 0;
  for (const { bytes } of entries) total += bytes;
  return total;
}

export function tooLarge(reason: string): PluginError {
  return new PluginError('ERR_MODEL_TOO_LARGE', reason);
}

function limit(reason: string): PluginError {
  return new PluginError('ERR_UPLOAD_LIMIT', reason, { retriable: true });
}
