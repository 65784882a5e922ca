/**
 * Code in action documents, as stock stores it. Source: `C/core/database/AttachmentSupport.scala`,
 * `C/core/entity/Exec.scala`.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { PluginError } from '../errors';
import { type Action, type AttachedSchema, isBinaryCode, type StoredExec } from '../openwhisk/action-document';

type Attached = z.infer<typeof AttachedSchema>;

/** `whisk.db.max-inline-size`: code below it lives in the document, in the attachment's name. */
const INLINE_BYTES_MAX = 16_384;
const BINARY_TYPE = 'application/octet-stream';
const TEXT_TYPE = 'text/plain; charset=UTF-8';

export interface StoredCode {
  /** What `exec.code` of the document says. */
  code: Attached;
  /** To be stored beside the document, by a second request. */
  attachment?: { name: string; type: string; bytes: Buffer };
}

/** Code as stock stores it: binary decoded, text as UTF-8; small inline, large as attachment. */
export function storeCode(code: string, binary: boolean): StoredCode {
  const bytes = binary ? Buffer.from(code, 'base64') : Buffer.from(code);
  const type = binary ? BINARY_TYPE : TEXT_TYPE;
  if (bytes.length >= INLINE_BYTES_MAX) {
    const name = randomUUID();
    return { code: { attachmentName: `couch:${name}`, attachmentType: type }, attachment: { name, type, bytes } };
  }
  const inline = bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  const digest = `sha256-${createHash('sha256').update(bytes).digest('hex')}`;
  return { code: { attachmentName: `mem:${inline}`, attachmentType: type, length: bytes.length, digest } };
}

/** An action's `exec` without its code. */
export function describeExec({ kind, binary, main, image, components }: StoredExec): Action['exec'] {
  return {
    kind,
    binary: binary ?? false,
    ...(main == null ? {} : { main }),
    ...(image == null ? {} : { image }),
    ...(components == null ? {} : { components }),
  };
}

/**
 * An action's `exec`, its code resolved.
 * @param read reads an attachment of the document
 * @throws PluginError `ERR_DOCUMENT_INVALID` for an attachment store that is not supported
 */
export async function resolveExec(
  stored: StoredExec,
  read: (name: string) => Promise<Buffer>,
): Promise<Action['exec']> {
  const exec = describeExec(stored);
  const { code } = stored;
  if (code == null) return exec;
  if (typeof code === 'string') return { ...exec, binary: stored.binary ?? isBinaryCode(code), code };
  const bytes = await attachedBytes(code.attachmentName, read);
  const binary = stored.binary ?? code.attachmentType === BINARY_TYPE;
  return { ...exec, binary, code: bytes.toString(binary ? 'base64' : 'utf8') };
}

/** `mem:` is in the name itself, `couch:` and, in old data, no scheme at all are attachments of the document. */
async function attachedBytes(name: string, read: (name: string) => Promise<Buffer>): Promise<Buffer> {
  const [, scheme, rest = name] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(name) ?? [];
  if (scheme === 'mem') return Buffer.from(rest, 'base64url');
  if (scheme === undefined || scheme === 'couch') return read(rest);
  throw new PluginError('ERR_DOCUMENT_INVALID', `code is in an attachment store that is not supported: ${scheme}`);
}
