/** What the action image is built on, as far as a registry can tell: a `docker` that keeps what it was asked. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const IMAGE_SH = resolve(__dirname, '../../action-runtime/image.sh');
const DIGEST = `sha256:${'a'.repeat(64)}`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tetris-image-'));
  const docker = `#!/bin/sh
echo "$*" >>${folder}/asked
case $1 in pull) exit "\${NO_REGISTRY:-0}" ;; image) echo node@${DIGEST} ;; esac
`;
  writeFileSync(join(folder, 'docker'), docker);
  chmodSync(join(folder, 'docker'), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @returns the arguments of `docker build` */
function built(args: string[], env: Record<string, string> = {}): string {
  rmSync(join(folder, 'asked'), { force: true });
  const path = `${folder}:${process.env['PATH'] ?? ''}`;
  execFileSync(IMAGE_SH, ['some/image:1', ...args], { env: { ...process.env, ...env, PATH: path }, stdio: 'pipe' });
  return (
    readFileSync(join(folder, 'asked'), 'utf8')
      .split('\n')
      .find((line) => line.startsWith('build ')) ?? ''
  );
}

describe('image.sh', () => {
  it('pins the base by the digest that its tag has now, and has the image say so', () => {
    const asked = built([]);
    expect(asked).toContain(`--build-arg BASE_IMAGE=node@${DIGEST}`);
    expect(asked).toContain(`--label org.opencontainers.image.base.digest=${DIGEST}`);
  });

  it('leaves a base alone that was given, and asks no registry then', () => {
    expect(built(['--build-arg', 'BASE_IMAGE=mine/node:22'])).not.toContain(DIGEST);
    expect(readFileSync(join(folder, 'asked'), 'utf8')).not.toContain('pull');
  });

  it('builds on what the engine has where no registry answers', () => {
    expect(built([], { NO_REGISTRY: '1' })).not.toContain('BASE_IMAGE');
  });
});
