import { ChangedError } from '../../../tensor-daemon/src/source/model-files';
import { KEYS, StoreWorld } from '../../support/store-world';

describe('LeaseService', () => {
  const world = new StoreWorld();
  afterAll(() => world.dispose());
  const counts = (): number[] => [
    world.table.leaseCount,
    world.table.instanceCount,
    world.table.modelUses(KEYS[0] ?? ''),
  ];

  describe('where a source turns out to hold something else', () => {
    beforeEach(() => world.upload(0));

    it('expected failure: a lease is refused when that happens twice, and leaves nothing', async () => {
      world.cutErrors.push(new ChangedError('it holds something else'), new ChangedError('again'));
      await expect(world.lease('instance-number-0', 0)).rejects.toMatchObject({
        code: 'ERR_MODEL_FETCH_FAILED',
        retriable: true,
      });
      expect(counts()).toEqual([0, 0, 0]);
    });

    it('asks once more, and holds one lease in the end', async () => {
      world.cutErrors.push(new ChangedError('it holds something else'));
      await world.lease('instance-number-0', 0);
      expect(counts()).toEqual([1, 1, 1]);
      await world.rest();
      expect(world.faults()).toEqual([]);
    });
  });
});
