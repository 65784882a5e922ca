/**
 * What the documentation tells people to type. A test that runs it takes it from its page, so that what is run is what
 * is written; `test/unit/docs/commands.test.ts` fails where nobody does.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../../..');

/** Fenced blocks of a page in a language, in order. */
export function blocksOf(page: string, language: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, block]) =>
    (block ?? '').trim(),
  );
}

/** One command a line, without comments; lines that end in a backslash are joined. */
export function commandsIn(block: string): string[] {
  return block
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) =>
      line
        .replace(/(^|\s)#.*$/, '')
        .trim()
        .replaceAll(/\s+/g, ' '),
    )
    .filter((line) => line !== '');
}

/**
 * A command of a page, for a shell.
 *
 * @param start with which one command of the page's `sh` blocks begins @throws Error where none does, or several do
 */
export function documented(page: string, start: string): string {
  const all = new Set(blocksOf(page, 'sh').flatMap(commandsIn));
  const [command, ...others] = [...all].filter((each) => each.startsWith(start));
  if (command === undefined) throw new Error(`${page} has no command that begins with '${start}'`);
  if (others.length > 0) throw new Error(`${page} has several: ${[command, ...others].join(' | ')}`);
  return command;
}

/** All commands of the one `sh` block of a page that has `part` in it. @throws Error as {@link documented} */
export function documentedBlock(page: string, part: string): string {
  const [block, ...others] = blocksOf(page, 'sh').filter((each) => each.includes(part));
  if (block === undefined || others.length > 0) throw new Error(`${page} has not one block with '${part}'`);
  return block;
}
