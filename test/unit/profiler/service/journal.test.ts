import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal } from '../../../../profiler/src/service/journal';
import { aJob } from './a-job';

describe('the journal of profiles', () => {
  let folder: string;
  /** Names of damaged files, and why. */
  let damaged: [name: string, reason: string][];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tetris-journal-'));
    damaged = [];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const open = (): Journal =>
    new Journal(folder, (path, reason) => damaged.push([path.slice(folder.length + 1), reason]));

  it('has what was saved after a restart, the newest first', () => {
    const journal = open();
    journal.save(aJob({ id: 'job-older', createdMs: 1 }));
    journal.save(aJob({ id: 'job-newer', createdMs: 2 }));
    journal.save(aJob({ id: 'job-newer', createdMs: 2, state: 'done', measured: 3 }));
    expect(open().load()).toEqual([
      aJob({ id: 'job-newer', createdMs: 2, state: 'done', measured: 3 }),
      aJob({ id: 'job-older', createdMs: 1 }),
    ]);
    expect(damaged).toEqual([]);
  });

  it('forgets what was removed', () => {
    const journal = open();
    journal.save(aJob());
    journal.remove('job-00001');
    journal.remove('job-00001');
    expect(open().load()).toEqual([]);
  });

  it.each([
    ['text that was cut', '{"id": "job-damaged", "spec"', /JSON/],
    ['an empty file', '', /JSON/],
    ['a state that there is not', JSON.stringify({ ...aJob({ id: 'job-damaged' }), state: 'lost' }), /^state: /],
    ['the job of another file', JSON.stringify(aJob({ id: 'job-other' })), /of another name/],
  ])('bad call: tells of %s, leaves it where it is, and has the others', (_, text, reason) => {
    const journal = open();
    journal.save(aJob());
    writeFileSync(join(folder, 'job-damaged.json'), text);
    expect(journal.load()).toEqual([aJob()]);
    expect(damaged).toEqual([['job-damaged.json', expect.stringMatching(reason) as string]]);
    expect(readdirSync(folder)).toContain('job-damaged.json');
  });

  it('removes what a kill has left half written, and nothing that is not its own', () => {
    writeFileSync(join(folder, 'job-00001.json.part'), '{"id":');
    writeFileSync(join(folder, 'notes.txt'), 'of somebody else');
    expect(open().load()).toEqual([]);
    expect(readdirSync(folder)).toEqual(['notes.txt']);
    expect(damaged).toEqual([]);
  });
});
