/** Files that are not whole yet: they have a name of their own until they are, and are of nobody after a kill. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export const PART = '.part';

/** Removes what a killed process has left half written. @param folder of this process alone */
export function removeParts(folder: string): void {
  for (const name of readdirSync(folder)) if (name.endsWith(PART)) rmSync(join(folder, name), { force: true });
}
