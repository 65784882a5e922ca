import { createHash } from 'node:crypto';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Cut, layOut, type Part } from '../../../tensor-daemon/src/ingest/graph-rewrite';
import { planTensorFiles, writeTensorFile } from '../../../tensor-daemon/src/ingest/tensor-file';

const CHUNK_BYTES = 64;

const cutOf = (name: string, parts: Part[]): Cut => {
  const { end } = layOut(parts.map(({ length }) => length));
  return { name, parts, bytes: end, place: () => undefined };
};

/** What the file of a cut must hold. */
function contentOf({ parts, bytes }: Cut, data: Buffer): Buffer {
  const { offsets } = layOut(parts.map(({ length }) => length));
  const content = Buffer.alloc(bytes);
  for (const [index, part] of parts.entries()) {
    const from = part instanceof Uint8Array ? part : data.subarray(part.offset, part.offset + part.length);
    content.set(from, offsets[index]);
  }
  return content;
}

const sha256 = (...parts: (string | Buffer)[]): string =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex');

describe('files of tensors', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'tetris-tensor-file-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Ranges one after the other with gaps, dealt to cuts in any order. */
  const layouts = fc.record({
    ranges: fc.array(fc.record({ gap: fc.nat(100), length: fc.integer({ min: 1, max: 400 }), cut: fc.nat(4) }), {
      maxLength: 12,
    }),
    inline: fc.array(fc.record({ bytes: fc.uint8Array({ maxLength: 200 }), cut: fc.nat(4) }), { maxLength: 3 }),
    reversed: fc.boolean(),
  });

  it('hold their ranges, wherever these lie, and leave of the data file what later ones need', () => {
    let count = 0;
    fc.assert(
      fc.property(layouts, ({ ranges, inline, reversed }) => {
        let end = 0;
        const parts = new Map<number, Part[]>();
        const add = (cut: number, part: Part): void => void parts.set(cut, [...(parts.get(cut) ?? []), part]);
        for (const { gap, length, cut } of ranges) {
          add(cut, { offset: end + gap, length });
          end += gap + length;
        }
        for (const { bytes, cut } of inline) add(cut, bytes);
        const cuts = [...parts].map(([cut, all]) => cutOf(String(cut), reversed ? all.reverse() : all));
        const data = Buffer.from(Array.from({ length: end }, (_, index) => (index * 31) % 251));
        const path = join(folder, `data-${count++}`);
        writeFileSync(path, data);

        const file = openSync(path, 'r+');
        const files = planTensorFiles(cuts, end);
        for (const [index, planned] of files.entries()) {
          const target = join(folder, `tensor-${count++}`);
          const scope = count % 2 === 0 ? '' : 'scope';
          const digest = writeTensorFile(target, planned, file, { sync: false, scope, chunkBytes: CHUNK_BYTES });
          const expected = contentOf(planned.cut, data);
          expect(readFileSync(target).equals(expected)).toBe(true);
          expect(digest).toBe(scope === '' ? sha256(expected) : sha256(`${scope}\0`, expected));
          expect(statSync(target).mode & 0o777).toBe(0o444);
          if (planned.moves.length === 0) continue;
          const later = files.slice(index + 1).flatMap(({ moves }) => moves);
          const needed = Math.max(0, ...later.map(({ offset, length }) => offset + length));
          expect(fstatSync(file).size).toBe(Math.max(needed, planned.moves.at(-1)?.offset ?? 0));
        }
        closeSync(file);
      }),
      { numRuns: 150 },
    );
  });

  it('expected failure: a data file that ends before a tensor does', () => {
    writeFileSync(join(folder, 'data'), Buffer.alloc(100));
    const file = openSync(join(folder, 'data'), 'r+');
    const [planned] = planTensorFiles([cutOf('w', [{ offset: 50, length: 80 }])], 130);
    if (planned === undefined) throw new Error('nothing planned');
    const write = () => writeTensorFile(join(folder, 'tensor'), planned, file, { sync: false, scope: '' });
    expect(write).toThrow(/ends at 100/);
    closeSync(file);
  });

  it('expected failure: tensors that overlap, which together would take more than there is room set aside for', () => {
    const twice = [cutOf('a', [{ offset: 0, length: 80 }]), cutOf('b', [{ offset: 0, length: 80 }])];
    expect(() => planTensorFiles(twice, 100)).toThrow(/its tensors have 160 bytes/);
  });
});
