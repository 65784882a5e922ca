import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readResult, type RunOptions, runSuite } from '../run-suite';
import type { SuiteResult } from '../suite';
import { report } from './report';
import { EVALUATION } from './targets';

export interface AllOptions extends Omit<RunOptions, 'json' | 'resume' | 'only' | 'html'> {
  /** Measure nothing: only write the page of what the folder has. @default false */
  page?: boolean;
}

/**
 * Runs what a folder does not have yet of the suites of the evaluation, and writes the page of results. Interrupted, it
 * goes on where it was.
 *
 * @param folder is created; `<suite>.json` for each suite, charts and `results.html` in it, and `<folder>.md` beside it
 */
export async function runAll(folder: string, { page = false, ...options }: AllOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  const results: Record<string, SuiteResult> = {};
  const startMs = performance.now();
  for (const [at, name] of EVALUATION.entries()) {
    const json = join(folder, `${name}.json`);
    if (!page) {
      process.stderr.write(`${name} (${at + 1} of ${EVALUATION.length}${remaining(startMs, at)})\n`);
      await runSuite(name, { ...options, json, resume: true });
    }
    const result = await readResult(json);
    if (result === undefined) continue;
    results[name] = result;
    await writePage(folder, results);
  }
}

/** As long for each suite to come as for those before it. */
function remaining(startMs: number, ended: number): string {
  if (ended === 0) return '';
  const minutes = ((performance.now() - startMs) / 60_000 / ended) * (EVALUATION.length - ended);
  return `, about ${Math.ceil(minutes)} min to go`;
}

async function writePage(folder: string, results: Readonly<Record<string, SuiteResult>>): Promise<void> {
  const { markdown, html, charts } = report(results, basename(folder));
  await writeFile(`${folder.replace(/\/+$/, '')}.md`, markdown);
  await writeFile(join(folder, 'results.html'), html);
  for (const [file, text] of Object.entries(charts)) await writeFile(join(folder, file), text);
}
