import { checkOutputs } from '@tetris/common';
import { readFile, writeFile } from 'node:fs/promises';
import { machine } from './measure/machine';
import type { SuiteOptions, SuiteResult } from './suite';
import { findSuite } from './suites';

export interface RunOptions extends Omit<SuiteOptions, 'earlier' | 'save'> {
  /** File for the figures; of suites that take long also while they run. */
  json?: string;
  /** File for the figures as one page with charts. */
  html?: string;
  /** Go on from what the file says. @default false */
  resume?: boolean;
}

/**
 * Runs a suite.
 *
 * @returns its figures with the machine they are of; `measured` is the time of the end, and absent in a file whose
 * suite has not ended
 * @throws RangeError that lists the suites there are
 */
export async function runSuite(
  name: string,
  { json, html, resume = false, ...options }: RunOptions,
): Promise<SuiteResult> {
  const entry = findSuite(name);
  await checkOutputs({ json, html });
  const suite = await entry.load();
  const own = { suite: name, machine: machine() };
  const write = async (result: SuiteResult): Promise<void> => {
    if (json !== undefined) await writeFile(json, textOf(result));
  };
  const earlier = resume && json !== undefined ? await readResult(json) : undefined;
  const save = (result: SuiteResult): Promise<void> => write({ ...own, ...result });
  const figures = await suite.run({ ...options, save, ...(earlier === undefined ? {} : { earlier }) });
  const result = { ...own, measured: new Date().toISOString(), ...figures };
  await write(result);
  if (html !== undefined) {
    const { report } = await import('./results/report.js');
    await writeFile(html, report({ [name]: result }, '.').html);
  }
  return result;
}

/** As a file has it, and standard output. */
export const textOf = (result: SuiteResult): string => `${JSON.stringify(result, undefined, 2)}\n`;

/** What a run has written there; undefined where none has. @throws SyntaxError where the file is no JSON */
export async function readResult(path: string): Promise<SuiteResult | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text === '' ? undefined : (JSON.parse(text) as SuiteResult);
}
