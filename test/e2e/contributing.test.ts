/** What `docs/README.md` tells people who change something, beside what the whole run begins with. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { documented } from '../support/docs/documented';

const ROOT = join(__dirname, '../..');

const shell = (command: string): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)('sh', ['-c', command], { cwd: ROOT });

it('one package is built, and one test runs', async () => {
  await shell(documented('docs/README.md', 'node build.js load-balancer'));
  const { stderr } = await shell(documented('docs/README.md', 'npx jest --selectProjects unit'));
  expect(stderr).toMatch(/Tests: +\d+ passed/);
});
