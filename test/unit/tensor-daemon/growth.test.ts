import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PluginError } from '@tetris/common';
import { bytesIn, withRoom } from '../../../tensor-daemon/src/ingest/growth';
import { until } from '../../support/until';

describe('room for what an optimizer writes', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'tetris-growth-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (name: string, bytes: number): void => writeFileSync(join(folder, name), Buffer.alloc(bytes, 1));

  /** Room for so many bytes. */
  const roomOf = (bytesMax: number) => {
    const wanted: number[] = [];
    const resize = async (bytes: number): Promise<void> => {
      wanted.push(bytes);
      if (bytes > bytesMax) throw new PluginError('ERR_STORE_FULL', 'the store is full');
    };
    return { wanted, resize, release: () => undefined };
  };

  it('is set aside as it grows, and never less than is asked for', async () => {
    const room = roomOf(1e9);
    const result = await withRoom(folder, room, 100_000, async () => {
      await until(() => room.wanted.length > 0, 'a first look');
      write('data', 1_000_000);
      await until(() => (room.wanted.at(-1) ?? 0) >= 1_000_000, 'it has grown');
      return 'done';
    });
    expect(result).toBe('done');
    expect(room.wanted[0]).toBe(100_000);
  });

  it('expected failure: ends the work where there is none left, with the reason', async () => {
    const work = withRoom(folder, roomOf(500_000), 0, async (signal) => {
      write('data', 1_000_000);
      await until(() => signal.aborted, 'it is told to end');
      throw new Error('was given up');
    });
    await expect(work).rejects.toMatchObject({ code: 'ERR_STORE_FULL' });
  });

  it('expected failure: is not given where it is refused only after the work has ended', async () => {
    let refuse: ((reason: Error) => void) | undefined;
    const resize = (): Promise<void> => new Promise((_resolve, reject) => (refuse = reject));
    const work = withRoom(folder, { resize, release: () => undefined }, 1, async () => {
      await until(() => refuse !== undefined, 'a first look');
      setImmediate(() => refuse?.(new PluginError('ERR_STORE_FULL', 'the store is full')));
    });
    await expect(work).rejects.toMatchObject({ code: 'ERR_STORE_FULL' });
  });

  it('expected failure: leaves the error of the work itself as it is', async () => {
    const work = withRoom(folder, roomOf(1e9), 0, () => Promise.reject(new Error('its own')));
    await expect(work).rejects.toThrow('its own');
  });

  it('counts holes as what they will take, and no folders', () => {
    write('data', 10_000);
    writeFileSync(join(folder, 'hole'), '');
    truncateSync(join(folder, 'hole'), 1_000_000);
    mkdirSync(join(folder, 'input'));
    writeFileSync(join(folder, 'input', 'model'), Buffer.alloc(50_000));
    expect(bytesIn(folder)).toBeGreaterThanOrEqual(1_010_000);
    expect(bytesIn(folder)).toBeLessThan(1_050_000);
  });
});
