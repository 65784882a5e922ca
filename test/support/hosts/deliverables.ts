/** What an operator makes where the project is built, and brings to the hosts. */
import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { RUNTIME_IMAGE, startEngine } from '../docker/engine';
import { documented } from '../docs/documented';

const ROOT = resolve(__dirname, '../../..');
/** A file of the second bundle that the first has not. */
export const SECOND = 'node_modules/second';

/** The action image as an archive, from an engine of its own, as an operator's machine has one. */
export async function saveImage(path: string): Promise<void> {
  const engine = await startEngine();
  await engine.runtimeImage();
  const command = documented('docs/operations.md', 'docker save')
    .replace('tetris/action-nodejs-tetris:0.1.0', RUNTIME_IMAGE)
    .replace('image.tar', path);
  await engine.docker(...command.split(' ').slice(1));
  await engine.stop();
}

/** Two bundles of the same programs: the second has {@link SECOND} too, and so is another version. */
export async function makeBundles(folder: string, workspaces: readonly string[]): Promise<[string, string]> {
  const content = join(folder, 'bundle');
  await promisify(execFile)(join(ROOT, 'ansible/bundle.sh'), [content, ...workspaces], { cwd: ROOT });
  const pack = (name: string): string => {
    const path = join(folder, name);
    // As the script packs it, with less patience.
    execFileSync('tar', ['-C', content, '-I', 'gzip -1', '-cf', path, 'node_modules']);
    return path;
  };
  const first = pack('first.tar.gz');
  writeFileSync(join(content, SECOND), '');
  return [first, pack('second.tar.gz')];
}
