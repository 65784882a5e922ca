/** What a newcomer meets before anything of ours runs: npm's install and the first build. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { minVersion, satisfies } from 'semver';

const ROOT = join(__dirname, '../../..');

interface Package {
  version?: string;
  optional?: boolean;
  engines?: { node?: string };
  bin?: Record<string, string>;
}
const read = (path: string): unknown => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
const { engines, workspaces } = read('package.json') as { engines: { node: string }; workspaces: string[] };
const { packages } = read('package-lock.json') as { packages: Record<string, Package> };

describe('npm ci', () => {
  it('installs nothing that asks for a newer Node than we name', () => {
    const oldest = minVersion(engines.node)?.version ?? '';
    const tooNew = Object.entries(packages).filter(
      ([, { engines: wanted }]) => wanted?.node !== undefined && !satisfies(oldest, wanted.node),
    );
    expect(tooNew.map(([name, { version }]) => `${name} ${version}`)).toEqual([]);
  });

  it("runs no dependency's script: none is needed, and one would download libraries for GPUs", () => {
    expect(readFileSync(join(ROOT, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m);
  });

  it('links the commands of workspaces before anything is built', () => {
    const commands = workspaces.flatMap((workspace) => {
      const { bin = {} } = read(join(workspace, 'package.json')) as Package;
      return Object.entries(bin).map(([name, path]) => ({ name, path: join(workspace, path) }));
    });
    expect(commands.map(({ name }) => name).sort()).toEqual([
      'tetris-doctor',
      'tetris-profile',
      'tetris-profile-service',
      'tetris-tensors',
    ]);
    for (const { name, path } of commands) {
      expect(path).not.toContain('/dist/');
      expect(existsSync(join(ROOT, path))).toBe(true);
      expect(existsSync(join(ROOT, 'node_modules/.bin', name))).toBe(true);
    }
  });
});

describe('build.js', () => {
  const build = (nodeVersion: string) =>
    spawnSync(
      process.execPath,
      [
        '--eval',
        `Object.defineProperty(process.versions, 'node', { value: '${nodeVersion}' }); require('./build.js');`,
        'common',
      ],
      { cwd: ROOT, encoding: 'utf8' },
    );

  it.each(['14.21.3', '20.18.9'])('tells Node %s in one sentence that it is too old', (version) => {
    const { status, stderr, stdout } = build(version);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toBe(`Tetris for OpenWhisk needs Node 20.19 or newer; this is ${version}.\n`);
  });
});
