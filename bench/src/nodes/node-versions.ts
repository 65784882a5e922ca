/**
 * The Node versions that the action runtime must work with, as npm packages of their binaries:
 * `bench/nodes/package.json` pins them, and its lock file their content.
 */
import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const FOLDER = join(__dirname, '../../nodes');

/** A Node that can be run. */
export interface NodeVersion {
  major: number;
  /** Absolute path of the executable. */
  binary: string;
}

/** Installs what is missing: some 350 MB, once. @throws Error where a version has no binary for this machine */
export async function nodeVersions(): Promise<NodeVersion[]> {
  const versions = await pinned();
  if (!(await areInstalled(versions))) await install();
  if (await areInstalled(versions)) return versions;
  throw new Error(`bench/nodes has no Node for ${process.platform}-${process.arch}`);
}

async function pinned(): Promise<NodeVersion[]> {
  const { optionalDependencies } = JSON.parse(await readFile(join(FOLDER, 'package.json'), 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const majors = Object.keys(optionalDependencies).map((name) => Number(name.split('-')[1]));
  return [...new Set(majors)]
    .sort((one, other) => one - other)
    .map((major) => ({
      major,
      binary: join(FOLDER, `node_modules/node-${major}-${process.platform}-${process.arch}/bin/node`),
    }));
}

async function areInstalled(versions: readonly NodeVersion[]): Promise<boolean> {
  const looked = await Promise.allSettled(versions.map(({ binary }) => access(binary)));
  return looked.every(({ status }) => status === 'fulfilled');
}

async function install(): Promise<void> {
  await promisify(execFile)('npm', ['ci', '--no-audit', '--no-fund', '--prefix', FOLDER], { cwd: FOLDER });
}
