import { stat } from 'node:fs/promises';
import { hashFile } from '@tetris/common';

/** What a model's file is known by. */
export async function identify(path: string): Promise<{ sha256: string; bytes: number }> {
  const { size: bytes } = await stat(path);
  return { sha256: await hashFile(path), bytes };
}
