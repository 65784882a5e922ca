import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { PluginError } from '@tetris/common';

/**
 * Claims a store for this process, which two daemons would ruin for each other. The claim is an abstract socket named
 * after the folder's inode: it leaves no file, and the kernel ends it with the process however that ends.
 *
 * @returns the release
 * @throws PluginError `ERR_CONFIG_INVALID` where another process has it
 */
export function claimStore(path: string): Promise<() => void> {
  const { dev, ino } = statSync(path);
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new PluginError('ERR_CONFIG_INVALID', `another daemon serves the store ${path}`, { cause: error }));
    });
    server.listen(`\0tetris-store-${dev}-${ino}`, () => {
      server.unref();
      resolve(() => void server.close());
    });
  });
}
