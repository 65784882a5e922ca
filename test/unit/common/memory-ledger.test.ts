import fc from 'fast-check';
import { type ActionManifest, MemoryLedger } from '@tetris/common';

const tensor = (name: string, bytes: number) => ({ sha256: name.repeat(64), bytes });

describe('MemoryLedger', () => {
  const backbone = tensor('a', 600);
  const withHead = (name: string): ActionManifest => ({ tensors: [backbone, tensor(name, 20)], privateBytes: 30 });

  it('counts a tensor once, and gives it back with its last holder', () => {
    const ledger = new MemoryLedger(1000);
    ledger.reserve(1, { manifest: withHead('b'), limitBytes: 5000 });
    ledger.reserve(2, { manifest: withHead('c'), limitBytes: 5000 });
    expect(ledger.usedBytes).toBe(600 + 2 * (20 + 30));
    expect(ledger.without([1]).freedBytes).toBe(20 + 30);
    expect(ledger.without([1, 2])).toMatchObject({ freedBytes: 700, freedTensorBytes: 640 });
    ledger.free(1);
    expect(ledger.usedBytes).toBe(600 + 20 + 30);
    ledger.free(2);
    expect(ledger.usedBytes).toBe(0);
  });

  it('asks for the limit while nothing is known, then for what is missing', () => {
    const ledger = new MemoryLedger(1000);
    expect(ledger.need({ manifest: undefined, limitBytes: 512 })).toBe(512);
    const need = { manifest: withHead('b'), limitBytes: 512 };
    expect([ledger.need(need), ledger.total(need)]).toEqual([650, 650]);
    ledger.reserve(1, { manifest: withHead('c'), limitBytes: 512 });
    expect([ledger.need(need), ledger.total(need)]).toEqual([50, 650]);
    // Who makes room by ending the holder needs the backbone again.
    expect(ledger.without([1]).need(need)).toBe(650);
  });

  it('takes what is leased beyond what instances here hold for somebody else’s', () => {
    const ledger = new MemoryLedger(2000);
    ledger.reserve(1, { manifest: withHead('b'), limitBytes: 512 });
    ledger.leased(620 + 400);
    expect(ledger.usedBytes).toBe(620 + 400 + 30);
    ledger.free(1);
    expect(ledger.usedBytes).toBe(400);
    ledger.leased(0);
    expect(ledger.usedBytes).toBe(0);
  });

  it('is what a plain sum over the living says, after any order of events', () => {
    const manifests = fc.record({
      tensors: fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 5 }).map((names) =>
        // The size goes with the content.
        names.map((name) => tensor(name, 10 + name.charCodeAt(0))),
      ),
      privateBytes: fc.nat(50),
    });
    const known = fc.option(manifests, { nil: undefined });
    const id = fc.integer({ min: 1, max: 6 });
    const event = fc.oneof(
      fc.record({ do: fc.constant('reserve' as const), id, manifest: known }),
      fc.record({ do: fc.constant('measured' as const), id, bytes: fc.nat(100) }),
      fc.record({ do: fc.constant('learned' as const), id, manifest: manifests }),
      fc.record({ do: fc.constant('free' as const), id }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.uniqueArray(id), known, (events, gone, wanted) => {
        const ledger = new MemoryLedger(10_000);
        const living = new Map<number, { bytes: number; manifest: ActionManifest | undefined }>();
        for (const each of events) {
          const instance = living.get(each.id);
          if (each.do === 'reserve' && instance === undefined) {
            ledger.reserve(each.id, { manifest: each.manifest, limitBytes: 77 });
            living.set(each.id, { bytes: each.manifest?.privateBytes ?? 77, manifest: each.manifest });
          } else if (each.do === 'measured') {
            ledger.measured(each.id, each.bytes);
            if (instance !== undefined) instance.bytes = each.bytes;
          } else if (each.do === 'learned') {
            ledger.learned(each.id, each.manifest);
            if (instance !== undefined) instance.manifest = each.manifest;
          } else if (each.do === 'free') {
            ledger.free(each.id);
            living.delete(each.id);
          }
        }
        const bytesOf = (instances: { bytes: number; manifest: ActionManifest | undefined }[]): number => {
          const tensors = new Map(
            instances.flatMap(({ manifest }) => manifest?.tensors ?? []).map(({ sha256, bytes }) => [sha256, bytes]),
          );
          const own = instances.reduce((sum, { bytes }) => sum + bytes, 0);
          return [...tensors.values()].reduce((sum, bytes) => sum + bytes, own);
        };
        const all = bytesOf([...living.values()]);
        const left = [...living].filter(([instance]) => !gone.includes(instance)).map(([, memory]) => memory);
        const one = { bytes: wanted?.privateBytes ?? 33, manifest: wanted };
        const departure = ledger.without(gone);
        const need = departure.need({ manifest: wanted, limitBytes: 33 });
        return (
          ledger.usedBytes === all &&
          departure.freedBytes === all - bytesOf(left) &&
          need === bytesOf([...left, one]) - bytesOf(left)
        );
      }),
    );
  });
});
