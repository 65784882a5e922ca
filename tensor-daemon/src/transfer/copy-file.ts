import { constants } from 'node:fs';
import { copyFile, open } from 'node:fs/promises';
import { hashFile } from '@tetris/common/files';

/**
 * Copies a file, by reference where the file system can, and makes it durable. @returns its SHA-256 where it is wanted
 */
export async function copySynced(from: string, to: string, hashed = false): Promise<string> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  const file = await open(to, 'r');
  try {
    await file.sync();
    return hashed ? await hashFile(file) : '';
  } finally {
    await file.close();
  }
}
