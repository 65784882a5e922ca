import { sep } from 'node:path';

/**
 * Whether a path is a folder or lies in it. By the text alone: both are absolute and normalized, and whoever has to
 * exclude links resolves them first.
 */
export function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
