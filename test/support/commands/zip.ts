/** `zip ARCHIVE FILE...` where the system has no such command: the documentation's example uses it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { zip } from '../archives';

const [archive, ...files] = process.argv.slice(2);
if (archive === undefined || files.length === 0) throw new Error('usage: zip ARCHIVE FILE...');
writeFileSync(archive, zip(files.map((path) => ({ name: basename(path), data: readFileSync(path) }))));
