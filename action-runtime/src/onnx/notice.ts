const said = new Set<string>();

/** Most different lines that are remembered as said. */
const SAID_MAX = 256;

/** One line of the runtime in the user's log, on stderr; the same line is said once. */
export function notice(text: string): void {
  const line = text.replaceAll(/\s*\n\s*/g, ' ');
  if (said.has(line) || said.size >= SAID_MAX) return;
  said.add(line);
  process.stderr.write(`tetris: ${line}\n`);
}
