import { readFile } from 'node:fs/promises';

/**
 * Memory pressure as the kernel tells it (PSI).
 *
 * @param text of `/proc/pressure/memory`
 * @returns percent of the last 10 s in which some task stalled on memory; undefined where the text is none
 */
export function parsePressure(text: string): number | undefined {
  const match = /^some avg10=([\d.]+)/m.exec(text);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** The machine's memory pressure now; undefined where the kernel has no PSI. */
export async function readPressure(path: string): Promise<number | undefined> {
  try {
    return parsePressure(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}
