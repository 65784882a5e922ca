const said = new Set<string>();

/** Most different lines that are remembered as said. */
const SAID_MAX = 256;

/** One line of the runtime in the user's log, on stderr; the same line is said once. */
export function notice(text: string): void {
  if (said.has(text) || said.size >= SAID_MAX) return;
  said.add(text);
  process.stderr.write(`tetris: ${text}\n`);
}
