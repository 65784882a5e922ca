import { formatPacked, isPackedKey, isReadable, parsePacked } from '../../../tensor-daemon/src/ingest/prepacked';

describe('packed notes', () => {
  it('reads operator, hash and every blob, and writes the same again', () => {
    const text = 'MatMul+8437|4096;65536;12345|69632;16;18446744073709551615';
    const form = parsePacked(text);
    expect(form).toEqual({
      id: 'MatMul+8437',
      blobs: [
        { offset: 4_096, length: 65_536, checksum: '12345' },
        { offset: 69_632, length: 16, checksum: '18446744073709551615' },
      ],
    });
    expect(formatPacked(form)).toBe(text);
  });

  it.each([
    ['id|4096;1;0', true],
    ['id|0;0;0|4096;1;0', false],
    ['id|4096;1;0|8192;0;0', false],
  ])('can be read back where no place is empty: %s', (text, readable) => {
    expect(isReadable(parsePacked(text))).toBe(readable);
  });

  it('knows its keys', () => {
    expect(['prepacked_0', 'prepacked_12'].every(isPackedKey)).toBe(true);
    expect(['prepacked', 'prepacked_', 'prepacked_x', 'xprepacked_0', 'location', ''].some(isPackedKey)).toBe(false);
  });

  it.each(['', '|', 'id', 'id|', '|1;2;3', 'id|1;2', 'id|1;2;3;4', 'id|-1;2;3', 'id|1;2;x', 'id|1;2;3|', 'id|1.5;2;3'])(
    "bad call: '%s' is no such note",
    (text) => {
      expect(() => parsePacked(text)).toThrow(RangeError);
      expect(() => parsePacked(text)).toThrow(/not a packed form/);
    },
  );
});
