import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readResult, type RunOptions, runSuite } from '../run-suite';
import type { SuiteResult } from '../suite';
import { report } from './report';
import { TARGETS } from './targets';

/** The suites of the evaluation. */
const NAMES = [...new Set(TARGETS.map(({ suite }) => suite))];

/**
 * Runs every suite of the evaluation that a folder does not have yet, and writes the page of results there. Interrupted,
 * it goes on where it was.
 *
 * @param folder is created; `<suite>.json` for each suite, charts, `results.md` and `results.html`
 */
export async function runAll(folder: string, options: Omit<RunOptions, 'json' | 'resume' | 'only'>): Promise<void> {
  await mkdir(folder, { recursive: true });
  const results: Record<string, SuiteResult> = {};
  for (const [at, name] of NAMES.entries()) {
    const json = join(folder, `${name}.json`);
    const known = await readResult(json);
    const ended = known !== undefined && 'measured' in known;
    process.stderr.write(`${name} (${at + 1} of ${NAMES.length})${ended ? ': measured already' : ''}\n`);
    results[name] = ended ? known : await runSuite(name, { ...options, json, resume: true });
    for (const [file, text] of Object.entries(report(results))) await writeFile(join(folder, file), text);
  }
}
