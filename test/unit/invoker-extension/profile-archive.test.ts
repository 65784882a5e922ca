import { DOCUMENT_BYTES_MAX, type DocumentStore, MemoryDocuments } from '@tetris/common';
import { ProfileArchive } from '../../../invoker-extension/src/profiles/archive';
import type { ModelProfile, ProfileEntry } from '../../../invoker-extension/src/profiles/result';

const machine = { cpu: 'test', cores: 2, memoryBytes: 1, node: '20', onnxruntime: '1' };
const sha256 = 'a'.repeat(64);

const entry = (batch: number, p50Ms = 1 / 3): ProfileEntry => ({
  source: 'measured',
  point: { variant: 'optimized', cpu: 1, concurrency: 1, threads: 1, batch },
  measurement: {
    ...{ p50Ms, p95Ms: p50Ms, p99Ms: p50Ms, throughput: 1000 / 3, loadMs: 100 / 3 },
    ...{ peakBytes: 123_456_789, steadyBytes: 123_456_789, samples: 20 },
  },
});

const profile = (entries: ProfileEntry[], other: Partial<ModelProfile> = {}): ModelProfile => ({
  ...{
    sha256,
    bytes: 10,
    name: 'model',
    machine,
    inputs: '',
    tensorBytes: {},
    firstLoadMs: {},
    conversions: {},
    entries,
  },
  ...other,
});

describe('the archive of profiles', () => {
  let documents: DocumentStore;
  let archive: ProfileArchive;
  beforeEach(() => {
    documents = new MemoryDocuments();
    archive = new ProfileArchive(documents);
  });

  it('finds a profile by digest and size, and by the digest alone', async () => {
    await archive.save(profile([entry(1)]));
    expect(await archive.load(sha256, 10)).toEqual([profile([entry(1)])]);
    expect(await archive.load(sha256)).toHaveLength(1);
    expect(await archive.load(sha256, 11)).toEqual([]);
    expect(await archive.load('b'.repeat(64))).toEqual([]);
  });

  it('adds rows to those of the same machine and inputs, and the newer of one configuration counts', async () => {
    await Promise.all([archive.save(profile([entry(1), entry(2)])), archive.save(profile([entry(4)]))]);
    await archive.save(profile([entry(2, 50)]));
    const [found, ...others] = await archive.load(sha256, 10);
    expect(others).toEqual([]);
    const rows = found?.entries.map(({ point, ...rest }) => [
      point.batch,
      'measurement' in rest ? rest.measurement.p50Ms : 0,
    ]);
    expect(rows?.sort()).toEqual([
      [1, 1 / 3],
      [2, 50],
      [4, 1 / 3],
    ]);
  });

  it('keeps profiles of other machines and inputs beside it, the latest first', async () => {
    await archive.save(profile([entry(1)]));
    await archive.save(profile([entry(1)], { machine: { ...machine, cores: 8 } }));
    await archive.save(profile([entry(1)], { inputs: 'sequence=128' }));
    const found = await archive.load(sha256, 10);
    expect(found.map(({ inputs, machine: { cores } }) => [inputs, cores])).toEqual([
      ['sequence=128', 2],
      ['', 8],
      ['', 2],
    ]);
  });

  it('stays within what a document may hold, whatever is saved', async () => {
    const failed = (batch: number): ProfileEntry => ({
      source: 'failed',
      point: entry(batch).point,
      reason: 'x'.repeat(5_000),
    });
    const rows = Array.from({ length: 2_000 }, (_, index) => (index % 2 === 0 ? entry(index + 1) : failed(index + 1)));
    for (let cores = 1; cores <= 12; cores += 1) await archive.save(profile(rows, { machine: { ...machine, cores } }));
    const found = await archive.load(sha256);
    expect(found.map((each) => each.machine.cores)).toEqual([12, 11, 10, 9, 8, 7, 6, 5]);
    expect(JSON.stringify(found).length).toBeLessThan(DOCUMENT_BYTES_MAX);
  });

  it('leaves estimates behind before anything measured', async () => {
    const estimates = Array.from({ length: 300 }, (_, index): ProfileEntry => {
      const { point, measurement } = entry(index + 1) as Extract<ProfileEntry, { source: 'measured' }>;
      return { source: 'estimated', point, measurement };
    });
    await archive.save(profile([...estimates, entry(1_000)]));
    const [found] = await archive.load(sha256);
    expect(found?.entries.length).toBeLessThan(300);
    expect(found?.entries.filter(({ source }) => source === 'measured')).toHaveLength(1);
  });

  it('expected failure: takes what another version has left for nothing, and replaces it', async () => {
    await documents.changeDocument(`profile/${sha256}`, () => ({ profiles: [{ sha256, old: true }, 7] }));
    expect(await archive.load(sha256)).toEqual([]);
    await archive.save(profile([entry(1)]));
    expect(await archive.load(sha256)).toHaveLength(1);
  });
});
