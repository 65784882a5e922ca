/** What the pages tell people to type is run by a test, and what they name is there: scripts, links to other pages. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { blocksOf, commandsIn, documented, documentedBlock } from '../../support/docs/documented';

const ROOT = join(__dirname, '../../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Files in a folder, and below it where `deep`, by their paths from the root. */
const filesIn = (folder: string, deep = false): string[] =>
  readdirSync(join(ROOT, folder), { recursive: deep, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(ROOT, join(parentPath, name)));
const workspaces = (JSON.parse(read('package.json')) as { workspaces: string[] }).workspaces;
const folders = ['.', 'docs', 'examples', 'kubernetes', 'ansible', ...workspaces];
const PAGES = [...folders.flatMap((folder) => filesIn(folder)), ...filesIn('examples', true)]
  .filter((path) => path.endsWith('.md') && path !== 'CHANGELOG.md')
  .filter((path, index, all) => !path.includes('node_modules') && all.indexOf(path) === index);

/** npm's scripts of a workspace; none where a folder is no workspace. */
const scriptsOf = (folder: string): Record<string, string> =>
  existsSync(join(ROOT, folder, 'package.json'))
    ? ((JSON.parse(read(join(folder, 'package.json'))) as { scripts?: Record<string, string> }).scripts ?? {})
    : {};
const scripts = scriptsOf('.');
const OF_NPM = ['start', 'test', 'ci', 'install'];

/** Where a shell is and what it knows, for the commands after it. */
const PREPARES = /^(?:cd|export) /;
/** `test/e2e/examples.test.ts` runs every block of these pages. */
const RUN_WHOLE = /^examples\/\w+\/README\.md$/;
/** Suites for whoever has the servers that they need: tests themselves. */
const SUITES = ['npm run test:stock', 'npm run test:kubernetes'];

/** What `.ci/run` runs, with what its scripts begin with. */
const steps = [...read('.ci/run').matchAll(/^step \S+ (.*)$/gm)].flatMap(([, command = '']) => {
  const script = /^npm (?:run )?(\S+)$/.exec(command)?.[1] ?? '';
  return [command, ...Object.keys(scripts).flatMap((name) => (begins(script, name) ? [`npm run ${name}`] : []))];
});
function begins(script: string, name: string): boolean {
  return scripts[script]?.startsWith(`${scripts[name]} &&`) ?? false;
}

/** What tests take from pages: commands, and whole blocks. */
const sources = filesIn('test', true)
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .map(read)
  .join('\n');
const taken = [...sources.matchAll(/\bdocumented(Block)?\(\s*'([^']+)',\s*'([^']+)',?\s*\)/g)].flatMap(
  ([, block, page = '', part = '']) =>
    block === undefined ? [documented(page, part)] : commandsIn(documentedBlock(page, part)),
);

/** Whether something runs a command, perhaps with more arguments. */
const isRun = (command: string): boolean =>
  [...steps, ...taken, ...SUITES].some((each) => each === command || each.startsWith(`${command} -- `));

/** Code of a page, in blocks and in lines. */
const codeIn = (text: string): string =>
  [...text.matchAll(/^```sh\n([\s\S]*?)^```|`([^`\n]+)`/gm)].map(([, block, inline]) => block ?? inline).join('\n');

describe.each(PAGES)('%s', (page) => {
  const text = read(page);

  it('has no command that no test runs', () => {
    const missing = blocksOf(page, 'sh').flatMap((block) =>
      commandsIn(block)
        .flatMap((command) => command.split(' && '))
        .filter((command) => !PREPARES.test(command) && !isRun(command)),
    );
    expect(RUN_WHOLE.test(page) ? [] : missing).toEqual([]);
  });

  it('names npm scripts that there are', () => {
    const named = [...codeIn(text).matchAll(/\bnpm (?:run )?([a-z][\w:]*)/g)].map(([, name = '']) => name);
    const known = [...OF_NPM, ...Object.keys({ ...scripts, ...scriptsOf(dirname(page)) })];
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('links to what is there', () => {
    const links = [...text.matchAll(/\]\(([^)#:\s]+)(?:#[\w-]+)?\)/g)].map(([, target = '']) => target);
    const lacking = links.filter((target) => !existsSync(resolve(dirname(join(ROOT, page)), target)));
    expect(lacking).toEqual([]);
  });
});
