/**
 * The defects of the released code of the original system (Tetris, USENIX ATC '22), each with the test that it is not
 * one of this plugin.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type BuiltModel, buildModel, perceptron, transformer } from '@tetris/bench';
import type { Lease } from '@tetris/common';
import { SimilarityIndex } from '@tetris/load-balancer';
import { ModelProtoSchema, TensorType } from '@tetris/onnx-format/messages';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { Holder } from '../support/holder';
import { infer } from '../support/infer';
import { storeFaults } from '../support/store-state';
import { until } from '../support/until';

/** `last` 4 bytes that give `head` the CRC32 of `target`: the checksum is linear, so they can be computed. */
function withCrcOf(target: Buffer, head: Buffer): Buffer {
  const table = Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
    return value >>> 0;
  });
  let state = ~crc32(target) >>> 0;
  for (let step = 0; step < 4; step++) {
    const index = table.findIndex((value) => value >>> 24 === state >>> 24);
    state = (((state ^ (table[index] ?? 0)) << 8) | index) >>> 0;
  }
  const last = Buffer.alloc(4);
  last.writeUInt32LE((state ^ ~crc32(head)) >>> 0);
  return Buffer.concat([head, last]);
}

/** A model that adds a weight of `dims` to its input of the same shape. */
function adding(weight: Buffer, dims: number[]): Uint8Array {
  const shape = { dim: dims.map((size) => ({ value: { case: 'dimValue' as const, value: BigInt(size) } })) };
  const value = (name: string) => ({
    name,
    type: { value: { case: 'tensorType' as const, value: { elemType: TensorType.FLOAT, shape } } },
  });
  const model = create(ModelProtoSchema, {
    irVersion: 9n,
    opsetImport: [{ domain: '', version: 17n }],
    graph: {
      name: 'adding',
      node: [{ opType: 'Add', input: ['x', 'weight'], output: ['sum'] }],
      input: [value('x')],
      output: [value('sum')],
      initializer: [{ name: 'weight', dataType: TensorType.FLOAT, dims: dims.map(BigInt), rawData: weight }],
    },
  });
  return toBinary(ModelProtoSchema, model);
}

describe('defects of the original', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  let held: Lease[] = [];
  afterEach(async () => {
    for (const lease of held) lease.release();
    held = [];
    await daemon.end('SIGKILL');
    rmSync(daemon.store, { recursive: true, force: true });
  });
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  const lease = async (path: string, instance?: string): Promise<Lease> => {
    const one = await daemon.client.lease({
      source: fileSource(path),
      name: path.split('/').at(-1) ?? '',
      ...(instance !== undefined && { instance }),
    });
    held.push(one);
    return one;
  };
  const small = (name: string, seed = 1): Promise<BuiltModel> =>
    buildModel(perceptron(name, { seed, hidden: 512 }), models);
  const zeros = (dims: number[]) => [
    { name: 'x', type: 'float32' as const, dims, data: new Float32Array(dims.reduce((one, other) => one * other)) },
  ];

  it('1: two tensors of the same CRC32 and length are two tensors', async () => {
    await daemon.start({ modelRoots: models });
    const floats = (fill: number): Buffer => Buffer.from(new Float32Array(2_047).fill(fill).buffer);
    const one = withCrcOf(Buffer.alloc(0), floats(1));
    const two = withCrcOf(one, floats(2));
    expect([crc32(two), two.length]).toEqual([crc32(one), one.length]);
    for (const [weight, fill] of [
      [one, 1],
      [two, 2],
    ] as const) {
      const path = join(models, `crc-${fill}.onnx`);
      writeFileSync(path, adding(weight, [2, 1024]));
      const { view } = await lease(path);
      const { sum } = await infer(daemon.viewPath(view), zeros([2, 1024]), 'disabled');
      expect(sum?.data.slice(0, 2_047)).toEqual(Array<number>(2_047).fill(fill));
    }
    expect(daemon.files('tensors')).toHaveLength(2);
  });

  it('1: the same bytes in another shape share a file and keep their shape', async () => {
    await daemon.start({ modelRoots: models });
    const weight = Buffer.from(Float32Array.from({ length: 2_048 }, (_, index) => index).buffer);
    for (const dims of [
      [2, 1024],
      [1024, 2],
    ]) {
      const path = join(models, `shape-${dims.join('x')}.onnx`);
      writeFileSync(path, adding(weight, dims));
      const { sum } = await infer(daemon.viewPath((await lease(path)).view), zeros(dims), 'disabled');
      expect(sum).toEqual({ dims, data: Array.from({ length: 2_048 }, (_, index) => index) });
    }
    expect(daemon.files('tensors')).toHaveLength(1);
  });

  it('2: no tensor has its name before all of its bytes are in', async () => {
    await daemon.start({ modelRoots: models });
    const large = await buildModel(transformer('large', { layers: 4, hidden: 512, heads: 8 }), models);
    const both = Promise.all([lease(large.path), lease(large.path)]);
    let settled = false;
    const done = both.finally(() => (settled = true));
    const checked = new Set<string>();
    await until(() => {
      for (const name of daemon.files('tensors').filter((each) => !checked.has(each))) {
        const content = readFileSync(join(daemon.store, 'tensors', name));
        expect(createHash('sha256').update(content).digest('hex')).toBe(name);
        checked.add(name);
      }
      return settled;
    }, 'the leases are granted');
    await done;
    expect(checked.size).toBeGreaterThan(10);
  });

  it('3: a loader that dies in the middle leaves no poisoned tensor', async () => {
    const model = await small('half');
    await daemon.start({ modelRoots: models, faultPoint: 'publish:written@2' });
    await expect(lease(model.path)).rejects.toMatchObject({ code: 'ERR_DAEMON_UNAVAILABLE' });
    expect(await daemon.ended()).toBe('SIGKILL');
    expect(readdirSync(join(daemon.store, 'scratch'))).not.toEqual([]);
    await daemon.start({ modelRoots: models });
    expect(storeFaults(daemon.store)).toEqual([]);
    const feeds = model.inputs(1, 1);
    const [expected, found] = [
      Object.values(await infer(model.path, feeds))[0]?.data ?? [],
      Object.values(await infer(daemon.viewPath((await lease(model.path)).view), feeds, 'disabled'))[0]?.data ?? [],
    ];
    for (const [index, value] of expected.entries()) expect(found[index]).toBeCloseTo(value, 4);
  });

  it('4: what an instance sees of a tensor cannot be written, by a user who is not the daemon', async () => {
    await daemon.start({ modelRoots: models });
    chmodSync(daemon.folder, 0o755);
    const { view } = await lease((await small('read-only')).path);
    const folder = join(daemon.viewPath(view), '..');
    for (const name of readdirSync(folder)) {
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o444);
    }
    const [tensor = ''] = readdirSync(folder).filter((name) => name !== 'model.onnx');
    const script = `for (const flags of ['r+', 'a', 'w']) {
      try { require('node:fs').openSync(process.argv[1], flags); process.exit(1); } catch ({ code }) { if (code !== 'EACCES') process.exit(2); }
    }`;
    const user =
      process.getuid?.() === 0 ? ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'] : [];
    const [command = '', ...args] = [...user, process.execPath, '-e', script, join(folder, tensor)];
    execFileSync(command, args, { cwd: '/' });
  });

  it('5: reuse begins the keep-alive anew: the next idle moment evicts nothing', async () => {
    await daemon.start({ modelRoots: models, modelTtlMs: 2_000 });
    const { path } = await small('kept');
    (await lease(path)).release();
    const idleMs = Date.now();
    await until(() => Date.now() - idleMs > 1_200);
    const again = await lease(path);
    // By now the time since the first release alone is over.
    await until(() => Date.now() - idleMs > 2_500);
    again.release();
    const releasedMs = Date.now();
    await until(() => Date.now() - releasedMs > 500);
    expect((await daemon.operator.models()).map(({ name }) => name)).toEqual(['kept.onnx']);
    await until(async () => (await daemon.operator.models()).length === 0, 'its own keep-alive is over');
  });

  it('6: whose tensor it is tells the file system, whatever the names of the instances', async () => {
    await daemon.start({ modelRoots: models });
    const { path } = await small('named');
    const [short, long] = ['instance-named-000', 'instance-named-0000'];
    for (const instance of [short, long]) await daemon.operator.registerInstance(instance, { namespace: 'guest' });
    await lease(path, short);
    await lease(path, long);
    expect(new Set(daemon.links().values())).toEqual(new Set([3]));
    await daemon.operator.releaseInstance(short);
    expect(new Set(daemon.links().values())).toEqual(new Set([2]));
    expect(daemon.files('views')).toEqual([long]);
    await daemon.operator.collect();
    expect(storeFaults(daemon.store)).toEqual([]);
    expect(daemon.files(`views/${long}`)).toHaveLength(1);
  });

  it('7: the store keeps its byte budget, and what is cheapest to have again by its size leaves first', async () => {
    const often = await buildModel(perceptron('often', { hidden: 720, seed: 11 }), models);
    const seldom = await buildModel(perceptron('seldom', { hidden: 720, seed: 12 }), models);
    const next = await buildModel(perceptron('next', { hidden: 720, seed: 13 }), models);
    await daemon.start({ modelRoots: models, storeBytesMax: '12m' });
    (await lease(seldom.path)).release();
    for (let count = 0; count < 20; count++) (await lease(often.path)).release();
    await until(async () => (await daemon.operator.totals()).leases === 0);
    await lease(next.path);
    const { uniqueBytes, budgetBytes } = await daemon.operator.totals();
    expect(uniqueBytes).toBeLessThanOrEqual(budgetBytes);
    expect((await daemon.operator.models()).map(({ name }) => name).sort()).toEqual(['next.onnx', 'often.onnx']);
  });

  it('8: a model that is released is unmapped in its process, and unlinked in the store', async () => {
    await daemon.start({ modelRoots: models });
    const model = await small('mapped');
    const holder = new Holder(daemon, { source: fileSource(model.path) }, model.inputs(1, 1));
    try {
      await holder.lease();
      expect((await holder.maps()).length).toBeGreaterThan(0);
      await holder.release();
      expect(await holder.maps()).toEqual([]);
      await until(() => [...daemon.links().values()].every((links) => links === 1), 'its view is gone');
      await daemon.operator.collect();
      expect(daemon.files('tensors')).toEqual([]);
    } finally {
      await holder.end();
    }
  });

  it('9: similarity is that of the union of what a node holds, not of the best single function', () => {
    const tensor = (index: number) => ({ sha256: String(index).padStart(64, '0'), bytes: 100 });
    const index = new SimilarityIndex({ actionsMax: 10, nodesMax: 10 });
    // Two functions on the first node hold one half each of what the third needs; one on the second node holds most of
    // it.
    index.setInventory('union', [1, 2, 3, 4].map(tensor));
    index.setInventory('single', [1, 2, 3].map(tensor));
    index.setManifest('wanted', { tensors: [1, 2, 3, 4].map(tensor), privateBytes: 1 });
    const overlap = index.demand('wanted')?.set.overlap ?? new Float64Array();
    expect(overlap[index.nodeIndex('union') ?? -1]).toBe(400);
    expect(overlap[index.nodeIndex('single') ?? -1]).toBe(300);
  });

  it('the forged checksum is one that the original would have taken for the same', () => {
    const target = Buffer.from('weights of one tenant');
    const forged = withCrcOf(target, Buffer.from('weights of another'));
    expect(crc32(forged)).toBe(crc32(target));
    expect(fromBinary(ModelProtoSchema, adding(Buffer.alloc(16), [4])).graph?.name).toBe('adding');
  });
});
