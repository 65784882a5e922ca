import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '../../corpus');

/** Files of the corpus whose names match. @throws Error where there is none */
export function corpus(names: RegExp): Buffer[] {
  const found = readdirSync(FOLDER).filter((name) => names.test(name));
  if (found.length === 0) throw new Error(`no file of the corpus matches ${String(names)}`);
  return found.sort().map((name) => readFileSync(join(FOLDER, name)));
}
