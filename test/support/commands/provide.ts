import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Puts commands of a user's machine that this one may lack into a folder for the path. */
export function provideCommands(bin: string, names: readonly ('wsk' | 'zip')[]): void {
  for (const name of names) {
    const path = join(bin, name);
    const program = join(__dirname, `../../dist/support/commands/${name}.js`);
    writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
    chmodSync(path, 0o755);
  }
}
