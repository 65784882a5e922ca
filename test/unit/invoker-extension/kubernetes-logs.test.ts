import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogLine } from '../../../invoker-extension/src/sandboxes/container';
import { followLog, PodLogReader } from '../../../invoker-extension/src/sandboxes/kubernetes-logs';
import { until } from '../../support/until';

const TIME = '2026-01-01T00:00:00.250123456Z';
const AT_MS = Date.parse('2026-01-01T00:00:00.250Z');

function read(text: string, { plain = false, pieces = text.length } = {}): LogLine[] {
  const lines: LogLine[] = [];
  const reader = new PodLogReader((line) => lines.push(line), { plain });
  const data = Buffer.from(text);
  for (let at = 0; at < data.length; at += pieces) reader.push(data.subarray(at, at + pieces));
  reader.end();
  return lines;
}

describe('a reader of pod logs', () => {
  it.each([1, 7, 1000])('keeps streams apart and joins partial lines, in pieces of %i bytes', (pieces) => {
    const text = `${TIME} stdout P wör\n${TIME} stderr F other\n${TIME} stdout F ld\n${TIME} stdout F \n`;
    expect(read(text, { pieces })).toEqual([
      { atMs: AT_MS, stream: 'stderr', text: 'other' },
      { atMs: AT_MS, stream: 'stdout', text: 'wörld' },
      { atMs: AT_MS, stream: 'stdout', text: '' },
    ]);
  });

  it('takes the API server’s lines, which name no stream, for stdout', () => {
    const line = { atMs: AT_MS, stream: 'stdout', text: 'stderr F is text' };
    expect(read(`${TIME} stderr F is text\n`, { plain: true })).toEqual([line]);
  });

  it('hands out what came without a newline', () => {
    expect(read(`${TIME} stdout P half`).map(({ text }) => text)).toEqual(['half']);
  });

  it('bad call: takes a line without a time for text of the time before', () => {
    expect(read(`${TIME} stdout F one\nnonsense\n`).map(({ atMs }) => atMs)).toEqual([AT_MS, AT_MS]);
  });
});

describe('a log file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tetris-log-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is read as it grows, across its rotation, and to its end though it is removed', async () => {
    const path = join(folder, '0.log');
    writeFileSync(path, 'one ');
    const ended = new AbortController();
    let text = '';
    const reading = followLog(path, (chunk) => (text += chunk.toString()), ended.signal);
    await until(() => text === 'one ');
    appendFileSync(path, 'two ');
    await until(() => text === 'one two ');
    renameSync(path, join(folder, '0.log.20260101-000000'));
    appendFileSync(join(folder, '0.log.20260101-000000'), 'three ');
    writeFileSync(path, 'four ');
    await until(() => text === 'one two three four ');
    appendFileSync(path, 'five');
    rmSync(path);
    ended.abort();
    await reading;
    expect(text).toBe('one two three four five');
  });
});
