/** `docs/errors.md` has every code that there is, and no other; users' texts are ours. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '../../..');
const page = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8');

const declared = [...readFileSync(join(ROOT, 'common/src/errors.ts'), 'utf8').matchAll(/^ {2}\| '(ERR_\w+)'/gm)].map(
  ([, code = '']) => code,
);

/** All sources of the parts that tell users something. */
const sources = ['load-balancer', 'invoker-extension', 'action-runtime'].flatMap((name) => {
  const folder = join(ROOT, name, 'src');
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
});

describe('docs/errors.md', () => {
  it('has each code once, with what it means and what to do', () => {
    const rows = [...page.matchAll(/^\| `(ERR_\w+)` +\| (\S.*?\S) +\| (\S.*?\S) +\|$/gm)];
    expect(declared.length).toBeGreaterThan(30);
    expect(rows.map(([, code = '']) => code).sort()).toEqual([...declared].sort());
  });

  it('quotes texts that users are told', () => {
    const [, section = ''] = page.split('## What users are told');
    const texts = [...section.matchAll(/^\| (`[^|]+`) +\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text),
    );
    expect(texts.length).toBeGreaterThan(4);
    expect(texts.filter((text) => !sources.some((source) => source.includes(text)))).toEqual([]);
  });
});
