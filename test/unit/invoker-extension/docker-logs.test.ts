import fc from 'fast-check';
import type { LogLine } from '../../../invoker-extension/src/sandboxes/container';
import { DockerLogReader } from '../../../invoker-extension/src/sandboxes/docker-logs';

const AT = '2026-01-01T00:00:00.250000000Z ';
const AT_MS = Date.UTC(2026, 0, 1, 0, 0, 0, 250);

function frame(stream: LogLine['stream'], text: string, at = AT): Buffer {
  const payload = Buffer.from(at + text);
  const header = Buffer.alloc(8);
  header[0] = stream === 'stdout' ? 1 : 2;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

function read(chunks: readonly Buffer[]): LogLine[] {
  const lines: LogLine[] = [];
  const reader = new DockerLogReader((line) => lines.push(line));
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  return lines;
}

describe('DockerLogReader', () => {
  it("gives each line the engine's time and its stream", () => {
    const later = '2026-01-01T00:00:01.000000000Z ';
    expect(read([Buffer.concat([frame('stdout', 'one\n'), frame('stderr', 'two\n', later)])])).toEqual([
      { atMs: AT_MS, stream: 'stdout', text: 'one' },
      { atMs: AT_MS + 750, stream: 'stderr', text: 'two' },
    ]);
  });

  it('joins a line that came in several frames, between frames of the other stream', () => {
    const lines = read([frame('stdout', 'a'.repeat(20)), frame('stderr', 'x\n'), frame('stdout', 'b\n')]);
    expect(lines.map(({ text }) => text)).toEqual(['x', `${'a'.repeat(20)}b`]);
  });

  it('hands out what had no newline when the container ended', () => {
    expect(read([frame('stdout', 'last words')]).map(({ text }) => text)).toEqual(['last words']);
  });

  it('reads the same lines however the stream is cut into chunks', () => {
    const seed = Date.now();
    const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map((line) => line.replace(/[\r\n]/g, ''));
    const lines = fc.array(fc.record({ stream: fc.constantFrom('stdout', 'stderr'), text }), { maxLength: 20 });
    const cuts = fc.array(fc.nat(400), { maxLength: 30 });
    fc.assert(
      fc.property(lines, cuts, (wanted, at) => {
        const whole = Buffer.concat(wanted.map(({ stream, text: line }) => frame(stream, `${line}\n`)));
        const edges = [0, ...at.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length];
        const chunks = edges.slice(1).map((end, index) => whole.subarray(edges[index], end));
        expect(read(chunks).map(({ stream, text: line }) => ({ stream, text: line }))).toEqual(wanted);
      }),
      { seed, verbose: true },
    );
  });
});
