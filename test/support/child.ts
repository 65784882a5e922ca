import { type ChildProcess, spawn } from 'node:child_process';
import { endProcess } from '@tetris/common';

const started = new Set<ChildProcess>();
/** Those that no test has started, but `beforeAll`. */
let ofGroups = new Set<ChildProcess>();

/**
 * `spawn` of which nothing is left, whatever becomes of the test: it ends with it, or with the file where `beforeAll`
 * calls.
 */
export const spawnInTest: typeof spawn = ((...args: Parameters<typeof spawn>) => {
  const child = spawn(...args);
  started.add(child);
  child.once('exit', () => started.delete(child));
  return child;
}) as typeof spawn;

beforeEach(() => {
  ofGroups = new Set(started);
});
afterEach(async () => {
  await Promise.all([...started].filter((child) => !ofGroups.has(child)).map((child) => endProcess(child)));
});
afterAll(async () => {
  await Promise.all([...started].map((child) => endProcess(child)));
});
