/** What a node tells of itself. */
import { readFile, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { DaemonOperator } from '@tetris/common';
import type { Environment, Mount, PlatformTold } from '../facts';

/** `KEY=value` and `KEY="value"` lines, as systemd reads them and as `env` prints them. */
export function parseEnvironment(text: string): Environment {
  const pairs = [...text.matchAll(/^(\w+)=(?:"((?:\\.|[^"\\])*)"|(.*))$/gm)];
  return Object.fromEntries(
    pairs.map(([, name = '', quoted, plain = '']) => [name, quoted?.replaceAll(/\\(.)/g, '$1') ?? plain.trim()]),
  );
}

/** The mount that a path lies on. @param table of `/proc/self/mountinfo` */
export async function mountOf(path: string, table = '/proc/self/mountinfo'): Promise<Mount> {
  const rows = (await readFile(table, 'utf8')).split('\n').flatMap((row) => {
    const [before = '', after = ''] = row.split(' - ');
    const at = before
      .split(' ')[4]
      ?.replaceAll(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8)));
    return at !== undefined && isInside(path, at) ? [{ path: at, fileSystem: after.split(' ')[0] ?? '' }] : [];
  });
  // Of mounts at one place the last is seen.
  const [nearest] = rows.reverse().sort((one, other) => other.path.length - one.path.length);
  if (nearest === undefined) throw new Error('no mount');
  const { blocks, bsize } = await statfs(path);
  return { ...nearest, bytes: blocks * bsize };
}

const isInside = (path: string, folder: string): boolean =>
  folder === '/' || path === folder || path.startsWith(`${folder}/`);

/** Device of the views' folder in a store. */
export const viewsDevice = async (storePath: string): Promise<number> => (await stat(join(storePath, 'views'))).dev;

/** As the daemon's metrics have it. */
export async function platformOf(operator: Pick<DaemonOperator, 'metrics'>): Promise<PlatformTold> {
  const text = await operator.metrics();
  const [, labels = ''] = /^tetris_daemon_build_info\{(.*)\} 1$/m.exec(text) ?? [];
  const label = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
  return { onnxruntime: label('onnxruntime'), cpu: label('cpu') };
}
