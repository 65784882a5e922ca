/** A base image without a registry: the image's Node and the shared libraries it needs, imported as a tar. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodeVersions } from '@tetris/bench';

/** Tag of the imported image. */
export const BASE_IMAGE = 'local/node:22';

/** As the Dockerfile has it. */
const NODE_MAJOR = 22;

/** Programs of the base image beside node: what the runtime and tests start. */
const PROGRAMS = ['/bin/sh', '/bin/cat', '/bin/ls', '/bin/sleep', '/usr/bin/id'];
const PASSWD = 'root:x:0:0::/:\nnode:x:1000:1000::/home/node:\n';
const GROUP = 'root:x:0:\nnode:x:1000:\n';

/** Makes the root file system under `folder` and imports it. Resolves to {@link BASE_IMAGE}. */
export async function importBaseImage(folder: string, docker: (...args: string[]) => Promise<string>): Promise<string> {
  if ((await docker('images', '--quiet', BASE_IMAGE)) !== '') return BASE_IMAGE;
  const node = (await nodeVersions()).find(({ major }) => major === NODE_MAJOR);
  if (node === undefined) throw new Error(`there is no Node ${NODE_MAJOR} to make an image of`);
  const root = makeRoot(join(folder, 'rootfs'), node.binary);
  const tarPath = join(folder, 'rootfs.tar');
  const tar = spawn('tar', ['-C', root, '-cf', tarPath, '.'], { stdio: 'ignore' });
  const [status] = (await once(tar, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`tar of the base image ended with ${status}`);
  await docker('import', '--change', 'CMD ["node"]', tarPath, BASE_IMAGE);
  return BASE_IMAGE;
}

function makeRoot(root: string, node: string): string {
  for (const name of ['bin', 'usr/bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'home/node']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  chmodSync(join(root, 'tmp'), 0o1777);
  writeFileSync(join(root, 'etc/passwd'), PASSWD);
  writeFileSync(join(root, 'etc/group'), GROUP);
  copyWithLibraries(node, join(root, 'usr/bin/node'), root);
  for (const program of PROGRAMS) copyWithLibraries(realpathSync(program), join(root, program), root);
  copyGlibc(root);
  return root;
}

function copyWithLibraries(program: string, target: string, root: string): void {
  cpSync(program, target, { dereference: true });
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' });
  for (const [library] of listed.matchAll(/\/[^ ]+/g)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
}

/** The parts of glibc that no program here lists but native modules and getaddrinfo load. */
function copyGlibc(root: string): void {
  const folder = join('/lib', `${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`);
  const parts = /^lib(rt|dl|pthread|util|resolv|nss_dns|nss_files)\.so\.\d+$/;
  for (const name of readdirSync(folder).filter((file) => parts.test(file))) {
    copyFileSync(join(folder, name), join(root, folder, name));
  }
}
