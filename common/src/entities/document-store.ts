/** Documents of the plugin's own, kept beside OpenWhisk's entities: profiles of models. */
import { PluginError } from '../errors';
import { retry } from '../flow/retry';

/** JSON bytes of one document. CouchDB takes 8 MB, services built on it 1 MB. */
export const DOCUMENT_BYTES_MAX = 1024 ** 2;

export interface DocumentStore {
  /**
   * What is kept under an id; undefined where there is nothing.
   * @throws PluginError `ERR_STORE_UNAVAILABLE` (retriable), `ERR_DOCUMENT_INVALID`
   */
  getDocument(id: string): Promise<unknown>;
  /**
   * Replaces a document by what `change` makes of the present one (undefined where there is none). Where another writer
   * comes first `change` is called again with what that one left, so that neither is lost.
   * @throws PluginError `ERR_DOCUMENT_INVALID` past {@link DOCUMENT_BYTES_MAX}, `ERR_DOCUMENT_CONFLICT` where others
   *   came first time and again, `ERR_STORE_UNAVAILABLE` (retriable); the present document stays then
   */
  changeDocument(id: string, change: (present: unknown) => unknown): Promise<void>;
}

const CHANGES_MAX = 20;
const CHANGE_BACKOFF = { firstMs: 10, maxMs: 200 };

/** @throws PluginError `ERR_DOCUMENT_INVALID` */
export function documentText(id: string, value: unknown): string {
  const text = JSON.stringify({ id, value });
  const bytes = Buffer.byteLength(text);
  if (bytes <= DOCUMENT_BYTES_MAX) return text;
  throw new PluginError('ERR_DOCUMENT_INVALID', `document ${id} has ${bytes} bytes; ${DOCUMENT_BYTES_MAX} are allowed`);
}

/**
 * Changes a document that others may change at the same time.
 *
 * @param attempt reads, changes and writes; false where another writer came first
 * @throws PluginError `ERR_DOCUMENT_CONFLICT` (retriable) where others came first time and again, or what `attempt`
 *   throws
 */
export async function changeAmongWriters(id: string, attempt: () => Promise<boolean>): Promise<void> {
  const text = `document ${id}: others wrote it ${CHANGES_MAX} times meanwhile`;
  const outrun = new PluginError('ERR_DOCUMENT_CONFLICT', text, { retriable: true });
  await retry(
    async () => {
      if (!(await attempt())) throw outrun;
    },
    { backoff: CHANGE_BACKOFF, attemptsMax: CHANGES_MAX, again: (error) => error === outrun },
  );
}

/** Documents that end with the process. */
export class MemoryDocuments implements DocumentStore {
  readonly #texts = new Map<string, string>();

  async getDocument(id: string): Promise<unknown> {
    const text = this.#texts.get(id);
    return text === undefined ? undefined : (JSON.parse(text) as { value?: unknown }).value;
  }

  async changeDocument(id: string, change: (present: unknown) => unknown): Promise<void> {
    const text = this.#texts.get(id);
    const present = text === undefined ? undefined : (JSON.parse(text) as { value?: unknown }).value;
    this.#texts.set(id, documentText(id, change(present)));
  }
}
