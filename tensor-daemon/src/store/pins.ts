import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { hasCode, linkIfAbsent } from './files';
import type { StoreLayout } from './layout';

const LINKS_PER_TURN = 256;

/**
 * Holds those tensors that a store has already by a link in `pins`, so that none of them can leave meanwhile.
 * @returns those that neither it nor `pins` has
 */
export async function pinPresent<T extends { sha256: string }>(
  layout: StoreLayout,
  pins: string,
  tensors: readonly T[],
): Promise<T[]> {
  mkdirSync(pins, { recursive: true });
  const missing: T[] = [];
  for (const [index, tensor] of tensors.entries()) {
    const pin = join(pins, tensor.sha256);
    try {
      linkIfAbsent(layout.tensor(tensor.sha256), pin);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      if (!existsSync(pin)) missing.push(tensor);
    }
    if (index % LINKS_PER_TURN === LINKS_PER_TURN - 1) await nextTurn();
  }
  return missing;
}
