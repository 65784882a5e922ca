import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../../..');
const TEXT = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');

/** `` `integration/name` "what the test is called" ``, as the page cites tests; titles may hold quotation marks. */
const promises = TEXT.split('\n')
  .filter((line) => /^\|.*`(unit|integration|e2e)\//.test(line))
  .flatMap((line) =>
    (line.split('|').at(-2) ?? '').split('; `').map((cited) => {
      const [, file = '', title = ''] = /^\s*`?((?:unit|integration|e2e)\/[^`]+)`\s+"(.*)"\s*$/.exec(cited) ?? [];
      return { file, title };
    }),
  );

describe('docs/security.md', () => {
  it('cites a test for each promise', () => {
    const [, section = ''] = TEXT.split('## What is promised');
    const rows = (section.split('\n## ')[0] ?? '')
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(2);
    expect(rows.length).toBeGreaterThan(20);
    for (const row of rows) expect(row).toMatch(/`(unit|integration|e2e)\/[^`]+` ".+"/);
  });

  it.each(promises)('$file has the test "$title"', ({ file, title }) => {
    const path = join(ROOT, 'test', `${file}.test.ts`);
    expect(existsSync(path)).toBe(true);
    const source = readFileSync(path, 'utf8').replaceAll("\\'", "'");
    expect(title.length).toBeGreaterThan(0);
    expect([`'${title}'`, `"${title}"`].some((quoted) => source.includes(quoted))).toBe(true);
  });
});
