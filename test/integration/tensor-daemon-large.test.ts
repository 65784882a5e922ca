/** A model whose weights have more than 2 GiB, the most that one protobuf message, buffer or read may have. */
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuiltModel, buildExternalModel, textCnn } from '@tetris/bench';
import { TestDaemon } from '../support/daemon';
import { folderBytes } from '../support/folder-bytes';
import { infer } from '../support/infer';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** An embedding table of 2.1 GiB, in one tensor, which no kernel packs. */
const DEFINITION = textCnn('large', { vocabulary: 4_400_000, width: 128 });

/** Private memory of a process, its page tables aside. */
function privateBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

describe('tensor daemon: a model over 2 GiB', () => {
  const daemon = new TestDaemon();
  const folder = mkdtempSync(join(tmpdir(), 'tetris-large-test-'));
  let model: BuiltModel;
  let looking: NodeJS.Timeout | undefined;
  beforeAll(async () => {
    model = await buildExternalModel(DEFINITION, folder);
    await daemon.start({ storeBytesMax: '6g', uploadBytesPerNamespaceMax: '4g', sweepIntervalMs: 1_000 });
  });
  afterAll(async () => {
    clearInterval(looking);
    await daemon.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('comes by upload and answers as stock does, while the daemon itself stays small and the store has no byte twice', async () => {
    expect(model.bytes).toBeGreaterThan(2 * GIB);
    const restBytes = privateBytes(daemon.pid);
    let daemonPeak = 0;
    let scratchPeak = 0;
    looking = setInterval(() => {
      daemonPeak = Math.max(daemonPeak, privateBytes(daemon.pid));
      // What is published has a name in both for a moment.
      const bytes = folderBytes(...['tensors', 'scratch'].map((name) => join(daemon.store, name)));
      scratchPeak = Math.max(scratchPeak, bytes);
    }, 100);

    const { sha256 } = await daemon.client.upload(createReadStream(model.path));
    const data = await daemon.client.upload(createReadStream(`${model.path}.data`));
    expect(data.bytes).toBeGreaterThan(2 * GIB);
    const externalData = [{ location: 'large.onnx.data', sha256: data.sha256 }];
    const seen = new Set<string>();
    const lease = await daemon.client.lease({ source: { kind: 'digest', sha256, externalData } }, ({ phase }) =>
      seen.add(phase),
    );
    clearInterval(looking);
    expect([...seen]).toEqual(['optimize', 'publish']);
    expect(Math.max(...[...daemon.links().keys()].map(sizeOf))).toBeGreaterThan(2 * GIB);

    const feeds = model.inputs(2, 1);
    const [stock, shared] = [
      await infer(model.path, feeds),
      await infer(daemon.viewPath(lease.view), feeds, 'disabled'),
    ];
    const expected = stock['logits']?.data ?? [];
    expect(expected).toHaveLength(10);
    for (const [index, number] of expected.entries()) expect(shared['logits']?.data[index]).toBeCloseTo(number, 4);

    expect(daemonPeak - restBytes).toBeLessThan(0.1 * model.bytes);
    // The input is linked there as well; the rest is what becomes the tensors.
    expect(scratchPeak).toBeLessThan(data.bytes + 1.05 * lease.tensorBytes + 64 * MIB);
    lease.release();
  }, 240_000);

  const sizeOf = (sha256: string): number => statSync(join(daemon.store, 'tensors', sha256)).size;
});
