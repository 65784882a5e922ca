import { LeaseTable, type LeaseState } from '../../../tensor-daemon/src/lease/lease-table';

const LIMITS = {
  leasesMax: 100,
  leasesPerInstanceMax: 3,
  leasesPerNamespaceMax: 4,
  modelsPerNamespaceMax: 2,
  instancesMax: 5,
};
const MODEL = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);
const INSTANCE = 'instance-one-000';

function wanted(instance = INSTANCE) {
  return { instance, namespace: 'guest', name: 'model' };
}

function tableWith(state: LeaseState): LeaseTable {
  const table = new LeaseTable(LIMITS);
  table.request('lease', wanted(), 0);
  if (state !== 'pending') table.bind('lease', MODEL);
  if (state === 'held') table.grant('lease');
  return table;
}

describe('LeaseTable', () => {
  describe('a view that is prepared', () => {
    const VIEW = { instance: INSTANCE, modelKey: MODEL };

    it('is used until a lease takes it over, and then until the lease ends', () => {
      const table = new LeaseTable(LIMITS);
      table.register(INSTANCE, 'guest');
      expect([table.retain(VIEW), table.retain(VIEW)]).toEqual([true, false]);
      table.request('lease', wanted(), 0);
      table.bind('lease', MODEL);
      expect([table.viewInUse(VIEW), table.modelUses(MODEL)]).toEqual([true, 1]);
      expect(table.end('lease').dropViews).toEqual([VIEW]);
      expect([table.viewInUse(VIEW), table.modelUses(MODEL)]).toEqual([false, 0]);
    });

    it('goes with its instance, and is for no unknown one', () => {
      const table = new LeaseTable(LIMITS);
      expect(table.retain(VIEW)).toBe(false);
      table.register(INSTANCE, 'guest');
      table.retain(VIEW);
      expect(table.releaseInstance(INSTANCE).dropViews).toEqual([VIEW]);
      expect(table.modelUses(MODEL)).toBe(0);
    });
  });

  type Event = 'bound' | 'granted' | 'ended' | 'instance released';
  /** The state after the event, and whether a view is dropped. */
  const expected: Record<LeaseState, Record<Event, [LeaseState | 'gone', boolean]>> = {
    pending: {
      bound: ['bound', false],
      granted: ['pending', false],
      ended: ['gone', false],
      'instance released': ['gone', false],
    },
    bound: {
      bound: ['bound', false],
      granted: ['held', false],
      ended: ['gone', true],
      'instance released': ['gone', true],
    },
    held: {
      bound: ['held', false],
      granted: ['held', false],
      ended: ['gone', true],
      'instance released': ['gone', true],
    },
  };
  const apply: Record<Event, (table: LeaseTable) => number> = {
    bound: (table) => (table.bind('lease', OTHER), 0),
    granted: (table) => (table.grant('lease'), 0),
    ended: (table) => table.end('lease').dropViews.length,
    'instance released': (table) => table.releaseInstance(INSTANCE).dropViews.length,
  };
  for (const [state, events] of Object.entries(expected) as [LeaseState, (typeof expected)[LeaseState]][]) {
    for (const [event, [after, drops]] of Object.entries(events) as [Event, [LeaseState | 'gone', boolean]][]) {
      it(`goes from ${state} to ${after} when it is ${event}`, () => {
        const table = tableWith(state);
        expect(apply[event](table)).toBe(drops ? 1 : 0);
        expect(table.lease('lease')?.state ?? 'gone').toBe(after);
      });
    }
  }

  it('keeps the view while another lease of the instance uses it', () => {
    const table = tableWith('held');
    table.request('second', wanted(), 0);
    table.bind('second', MODEL);
    expect(table.end('lease').dropViews).toEqual([]);
    expect(table.modelUses(MODEL)).toBe(1);
    expect(table.end('second').dropViews).toEqual([{ instance: INSTANCE, modelKey: MODEL }]);
    expect(table.modelUses(MODEL)).toBe(0);
  });

  it('drops an anonymous instance with its last lease and keeps a registered one', () => {
    expect(tableWith('held').end('lease').dropInstances).toEqual([INSTANCE]);
    const table = tableWith('held');
    table.register(INSTANCE, 'guest');
    expect(table.end('lease').dropInstances).toEqual([]);
    expect(table.instance(INSTANCE)?.state).toBe('registered');
  });

  it('lets ends and releases be repeated', () => {
    const table = tableWith('held');
    table.end('lease');
    expect(table.end('lease')).toEqual({ endLeases: [], dropViews: [], dropInstances: [] });
    expect(table.releaseInstance(INSTANCE)).toEqual({ endLeases: [], dropViews: [], dropInstances: [] });
  });

  it('prefers the namespace of the registration to that of a lease', () => {
    const table = new LeaseTable(LIMITS);
    table.register(INSTANCE, 'tenant');
    table.request('lease', wanted(), 0);
    expect(table.instance(INSTANCE)?.namespace).toBe('tenant');
  });

  it('retains the views of an unconfirmed instance until its grace is over', () => {
    const table = new LeaseTable(LIMITS);
    table.recover(INSTANCE, 'guest', [MODEL], 1_000);
    expect(table.modelUses(MODEL)).toBe(1);
    expect(table.expire(999).dropViews).toEqual([]);
    expect(table.expire(1_000)).toMatchObject({
      dropViews: [{ instance: INSTANCE, modelKey: MODEL }],
      dropInstances: [INSTANCE],
    });
    expect(table.modelUses(MODEL)).toBe(0);
  });

  it('keeps a recovered instance that is announced again, and hands a retained view over to a lease', () => {
    const table = new LeaseTable(LIMITS);
    table.recover(INSTANCE, 'guest', [MODEL], 1_000);
    table.register(INSTANCE, 'guest');
    expect(table.expire(5_000).dropInstances).toEqual([]);
    table.request('lease', wanted(), 0);
    table.bind('lease', MODEL);
    expect(table.modelUses(MODEL)).toBe(1);
    expect(table.end('lease').dropViews).toEqual([{ instance: INSTANCE, modelKey: MODEL }]);
  });

  it('recovers more instances than a limit that was lowered allows, and takes no new ones then', () => {
    const table = new LeaseTable({ ...LIMITS, instancesMax: 1 });
    for (const name of ['one', 'two', 'three']) table.recover(`instance-${name}-00000`, 'guest', [MODEL], 1_000);
    expect([table.instanceCount, table.modelUses(MODEL)]).toEqual([3, 3]);
    table.register('instance-two-00000', 'guest');
    expect(() => table.register('instance-four-00000', 'guest')).toThrow(/all 1 instances/);
  });

  it('expected failure: refuses more leases of an instance than the limit', () => {
    const table = new LeaseTable(LIMITS);
    for (const id of ['one', 'two', 'three']) table.request(id, wanted(), 0);
    expect(() => table.request('four', wanted(), 0)).toThrow(expect.objectContaining({ code: 'ERR_LEASE_LIMIT' }));
    expect(table.leaseCount).toBe(3);
  });

  it('expected failure: refuses more instances than the limit', () => {
    const table = new LeaseTable(LIMITS);
    for (let count = 0; count < 5; count++) table.register(`instance-${count}-0000000`, 'guest');
    expect(() => table.register('instance-6-00000000', 'guest')).toThrow(/all 5 instances/);
    expect(table.instanceCount).toBe(5);
  });

  describe('limits of a namespace', () => {
    /** Instance `name` of a namespace asks for a lease on a model; throws where it is refused. */
    const hold = (table: LeaseTable, name: string, lease: string, modelKey: string): void => {
      table.request(lease, wanted(`instance-${name}-0000`), 0);
      table.bind(lease, modelKey);
    };
    const two = (): LeaseTable => {
      const table = new LeaseTable(LIMITS);
      for (const name of ['one', 'two']) table.register(`instance-${name}-0000`, 'tenant');
      table.register('instance-other-0000', 'other');
      return table;
    };

    it('expected failure: refuses leases over the limit to all instances of the namespace, and to no other', () => {
      const table = two();
      for (const [name, lease] of [...'abcd'].map((id, index) => [index < 2 ? 'one' : 'two', id] as const)) {
        hold(table, name, lease, MODEL);
      }
      expect(() => hold(table, 'one', 'e', MODEL)).toThrow(/the namespace holds 4 leases/);
      hold(table, 'other', 'f', MODEL);
      table.end('a');
      hold(table, 'one', 'e', MODEL);
      expect(table.leaseCount).toBe(5);
    });

    it('expected failure: refuses models over the limit, and none that the namespace holds already', () => {
      const table = two();
      hold(table, 'one', 'a', MODEL);
      hold(table, 'two', 'b', OTHER);
      hold(table, 'one', 'c', OTHER);
      expect(() => hold(table, 'two', 'd', 'c'.repeat(64))).toThrow(/the namespace holds 2 models/);
      expect(table.lease('d')?.state).toBe('pending');
      expect(table.modelUses('c'.repeat(64))).toBe(0);
      hold(table, 'other', 'e', 'c'.repeat(64));
    });

    it('believes no namespace that the operator has not registered', () => {
      const table = two();
      table.request('claimed', { ...wanted('instance-liar-00000'), namespace: 'tenant' }, 0);
      expect(table.namespaceOf('instance-liar-00000')).toBe('');
      expect(table.namespaceOf('instance-one-0000')).toBe('tenant');
      expect(table.namespaceOf(undefined)).toBe('');
    });
  });
});
