/**
 * Locked parameters. Source: `C/core/entity/ParameterEncryption.scala` (AES-GCM: length of the iv, iv, text, tag;
 * base64).
 */
import { createDecipheriv } from 'node:crypto';
import { type ActivationMessage, errorMessage, PluginError } from '@tetris/common';

/** Arguments of one activation by name; undefined where the content is an array or absent. */
export type NamedArguments = Readonly<Record<string, unknown>>;

/** Bytes of the initialisation vector, by the algorithm's name and hence its key's length. */
const ALGORITHMS: Readonly<
  Record<string, { keyBytes: number; ivBytes: number; cipher: 'aes-128-gcm' | 'aes-256-gcm' }>
> = {
  aes128: { keyBytes: 16, ivBytes: 12, cipher: 'aes-128-gcm' },
  aes256: { keyBytes: 32, ivBytes: 128, cipher: 'aes-256-gcm' },
};

/** GCM's longest tag: 128 bits. */
const TAG_BYTES = 16;

/**
 * Opens the locked arguments of a message. A value locked with another algorithm than the key's stays as it is, as in
 * stock.
 * @param key raw key of 16 or 32 bytes, or undefined where the installation has none
 * @throws PluginError `ERR_MESSAGE_INVALID` that names the parameter whose value does not decrypt
 */
export function unlock(message: ActivationMessage, key: Buffer | undefined): ActivationMessage {
  const { content, lockedArgs } = message;
  if (key === undefined || content == null || Array.isArray(content)) return message;
  const opened: Record<string, unknown> = { ...content };
  for (const [name, algorithm] of Object.entries(lockedArgs)) {
    const rule = ALGORITHMS[algorithm];
    const value = opened[name];
    if (rule?.keyBytes !== key.length || typeof value !== 'string') continue;
    try {
      opened[name] = decrypt(value, key, rule);
    } catch (error) {
      throw new PluginError('ERR_MESSAGE_INVALID', `parameter '${name}' does not decrypt: ${errorMessage(error)}`);
    }
  }
  return { ...message, content: opened };
}

function decrypt(
  value: string,
  key: Buffer,
  { ivBytes, cipher }: { ivBytes: number; cipher: 'aes-128-gcm' | 'aes-256-gcm' },
): string {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length < 4 + ivBytes + TAG_BYTES || bytes.readUInt32BE(0) !== ivBytes) throw new Error('invalid iv length');
  const iv = bytes.subarray(4, 4 + ivBytes);
  const decipher = createDecipheriv(cipher, key, iv);
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  const text = bytes.subarray(4 + ivBytes, bytes.length - TAG_BYTES);
  return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8');
}
