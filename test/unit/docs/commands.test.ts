/** What the pages tell people to type is there: scripts, playbooks and their variables, links to other pages. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const ROOT = join(__dirname, '../../..');
const DOCS = join(ROOT, 'docs');
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(DOCS)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
const SHORT = ['start', 'test', 'ci', 'install'];
const hostsTest = read('test/integration/ansible-hosts.test.ts') + read('test/integration/ansible.test.ts');

/** Code of a page, in blocks and in lines. */
const codeIn = (text: string): string =>
  [...text.matchAll(/^```sh\n([\s\S]*?)^```|`([^`\n]+)`/gm)].map(([, block, inline]) => block ?? inline).join('\n');

describe.each(PAGES)('%s', (path) => {
  const text = read(path);
  const code = codeIn(text);

  it('names npm scripts that there are', () => {
    const named = [...code.matchAll(/\bnpm (?:run )?([a-z][\w:]*)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !SHORT.includes(name) && scripts[name] === undefined)).toEqual([]);
  });

  it('names playbooks that there are, and that a test plays', () => {
    const named = [...code.matchAll(/^ansible-playbook (?!-i)(\S+\.yml)/gm)].map(([, name = '']) => name);
    expect(named.filter((name) => !existsSync(join(ROOT, 'ansible', name)))).toEqual([]);
    expect(named.filter((name) => !hostsTest.includes(name))).toEqual([]);
  });

  it('links to what is there', () => {
    const links = [...text.matchAll(/\]\(([^)#:\s]+)(?:#[\w-]+)?\)/g)].map(([, target = '']) => target);
    const lacking = links.filter((target) => !existsSync(resolve(dirname(join(ROOT, path)), target)));
    expect(lacking).toEqual([]);
  });
});
