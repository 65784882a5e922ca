import { deviceOf, inodesIn } from '../../../tensor-daemon/src/store/mapped';

const MAPS = `7f00-7f10 r--p 00000000 00:1b 4711                       /dev/shm/tetris/views/a/b/c
7f10-7f20 rw-p 00001000 00:1b 4712                       /dev/shm/gone (deleted)
7f20-7f30 r-xp 00000000 fe:00 4711                       /usr/lib/libc.so
7f30-7f40 rw-p 00000000 00:00 0
`;

describe('mapped files', () => {
  it('are told by device and inode, whether they have a name or not', () => {
    expect(inodesIn(MAPS, '00:1b')).toEqual([4711, 4712]);
    expect(inodesIn(MAPS, 'fe:00')).toEqual([4711]);
    expect(inodesIn('', '00:1b')).toEqual([]);
  });

  it.each([
    [0x1b, '00:1b'],
    [0xfe00, 'fe:00'],
    [0x801, '08:01'],
    [0x10_0003, '00:103'],
  ])('writes device %i as the kernel does', (dev, text) => expect(deviceOf(dev)).toBe(text));
});
