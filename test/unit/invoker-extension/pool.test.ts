import type { ActionManifest } from '@tetris/common';
import type { GroupDescription } from '../../../invoker-extension/src/instances/group';
import { FixedKeepAlive } from '../../../invoker-extension/src/scaling/keep-alive';
import type { InstanceSettings } from '../../../invoker-extension/src/scaling/settings';
import { Pool, type PoolCommand, type PoolOptions } from '../../../invoker-extension/src/instances/pool';
import {
  INSTANCE_EVENTS,
  INSTANCE_STATES,
  type InstanceEvent,
  type InstanceState,
  nextState,
} from '../../../invoker-extension/src/instances/instance-state';
import { fractionsFrom, testSeed } from '../../support/random';

const OPTIONS: PoolOptions = {
  budgetBytes: 1000,
  waitingMax: 1000,
  waitMaxMs: 10_000,
  patienceMs: 100,
  barredMs: 5_000,
  startsMax: 100,
  groupStartsMax: 100,
  pauseGraceMs: 50,
};

const settings = (room: number, sloMs?: number): InstanceSettings => ({
  room,
  workers: 1,
  threads: 1,
  batch: 1,
  batchWaitMs: 0,
  ...(sloMs === undefined ? {} : { sloMs }),
});

const group = (key: string, room: number, limitBytes: number, manifest?: ActionManifest): GroupDescription => ({
  key,
  revision: key,
  namespace: 'guest',
  settings: settings(room),
  limitBytes,
  manifest,
});

const pool = (options: Partial<PoolOptions> = {}, keepMs = 500): Pool<string> =>
  new Pool<string>({ ...OPTIONS, ...options }, new FixedKeepAlive(keepMs));

/** Only the commands of one kind. */
const of = <D extends PoolCommand<string>['do']>(commands: PoolCommand<string>[], kind: D) =>
  commands.filter((command): command is Extract<PoolCommand<string>, { do: D }> => command.do === kind);

/** An instance of a group that has answered its first activation. */
function warm(subject: Pool<string>, description: GroupDescription, nowMs = 0): number {
  const [start] = of(subject.arrived(`first-${description.key}`, description, nowMs), 'start');
  if (start === undefined) throw new Error('nothing started');
  subject.created(start.instance, nowMs);
  subject.initialised(start.instance, nowMs);
  subject.finished(start.instance, start.ticket, false, nowMs);
  return start.instance;
}

/** An instance that was started without a ticket, and is ready. */
function added(subject: Pool<string>, description: GroupDescription): number {
  const [start] = of(subject.add(description, 0), 'warm-up');
  if (start === undefined) throw new Error('nothing started');
  subject.created(start.instance, 0);
  subject.initialised(start.instance, 0);
  return start.instance;
}

/** How many of these tickets each instance gets. */
function shares(subject: Pool<string>, tickets: string[], description: GroupDescription, ids: number[], nowMs = 0) {
  const given = tickets.flatMap((ticket) => of(subject.arrived(ticket, description, nowMs), 'run'));
  return ids.map((id) => given.filter(({ instance }) => instance === id).length);
}

describe('an instance', () => {
  const EXPECTED: Record<InstanceState, Partial<Record<InstanceEvent, InstanceState>>> = {
    starting: { created: 'initialising', drain: 'draining', end: 'ending', ended: 'gone' },
    initialising: { initialised: 'busy', drain: 'draining', end: 'ending', ended: 'gone' },
    warm: { assigned: 'busy', paused: 'paused', drain: 'ending', end: 'ending', ended: 'gone' },
    busy: { assigned: 'busy', idle: 'warm', drain: 'draining', ended: 'gone' },
    paused: { assigned: 'busy', drain: 'ending', end: 'ending', ended: 'gone' },
    draining: {
      created: 'draining',
      initialised: 'draining',
      idle: 'ending',
      drain: 'draining',
      end: 'ending',
      ended: 'gone',
    },
    ending: { idle: 'ending', drain: 'ending', end: 'ending', ended: 'gone' },
    gone: { ended: 'gone' },
  };

  it.each(INSTANCE_STATES)('goes from %s only where the table says', (state) => {
    for (const event of INSTANCE_EVENTS) {
      const expected = EXPECTED[state][event];
      if (expected === undefined) expect(() => nextState(state, event)).toThrow(RangeError);
      else expect(nextState(state, event)).toBe(expected);
    }
  });
});

describe('Pool', () => {
  it('starts one instance for as many activations as it has room', () => {
    const subject = pool();
    const commands = ['a', 'b', 'c', 'd', 'e'].flatMap((ticket) => subject.arrived(ticket, group('g', 4, 10), 0));
    // The fifth needs a second one, which the oldest waiting activation initialises.
    expect(of(commands, 'start').map(({ ticket }) => ticket)).toEqual(['a', 'b']);
  });

  it('runs what waited when the instance is ready, in order of arrival', () => {
    const subject = pool();
    for (const ticket of ['a', 'b', 'c']) subject.arrived(ticket, group('g', 4, 10), 0);
    subject.created(1, 0);
    expect(subject.initialised(1, 0)).toEqual([
      { do: 'run', instance: 1, ticket: 'b', resume: false, dueMs: Infinity },
      { do: 'run', instance: 1, ticket: 'c', resume: false, dueMs: Infinity },
    ]);
  });

  it('never gives an instance to another namespace', () => {
    const subject = pool();
    warm(subject, group('action guest', 4, 10));
    expect(of(subject.arrived('b', group('action other', 4, 10), 1), 'start')).toHaveLength(1);
  });

  it('prefers an awake instance to a paused one, and says when one must be resumed', () => {
    const subject = pool();
    const first = warm(subject, group('g', 1, 10));
    expect(of(subject.tick(60), 'pause')).toEqual([{ do: 'pause', instance: first }]);
    expect(subject.arrived('b', group('g', 1, 10), 61)).toEqual([
      { do: 'run', instance: first, ticket: 'b', resume: true, dueMs: Infinity },
    ]);
  });

  it('ends an idle instance at the end of its keep-alive, and clears that stamp on reuse', () => {
    const subject = pool();
    const id = warm(subject, group('g', 1, 10));
    subject.arrived('b', group('g', 1, 10), 400);
    subject.finished(id, 'b', false, 450);
    expect(of(subject.tick(900), 'end')).toEqual([]);
    expect(of(subject.tick(950), 'end')).toEqual([{ do: 'end', instance: id, reason: 'idle' }]);
  });

  it('does not let an action that does not fit hold up others, warm or new', () => {
    const subject = pool();
    const busy = warm(subject, group('busy', 2, 600));
    subject.arrived('running', group('busy', 2, 600), 1);
    expect(subject.arrived('large', group('large', 1, 900), 2)).toEqual([]);
    expect(of(subject.arrived('warm', group('busy', 2, 600), 3), 'run')).toHaveLength(1);
    expect(of(subject.arrived('small', group('small', 1, 300), 4), 'start')).toHaveLength(1);
    expect(busy).toBe(1);
  });

  it('reserves memory for an action that has waited past its patience, and drains busy instances for it', () => {
    const subject = pool();
    const busy = warm(subject, group('busy', 2, 600));
    subject.arrived('running', group('busy', 2, 600), 1);
    subject.arrived('large', group('large', 1, 900), 2);
    expect(of(subject.tick(150), 'start')).toEqual([]);
    // The draining instance takes no more, and a younger action may not take what will be free.
    expect(subject.arrived('small', group('small', 1, 300), 151)).toEqual([]);
    expect(of(subject.arrived('more', group('busy', 2, 600), 152), 'run')).toEqual([]);
    expect(of(subject.finished(busy, 'running', false, 160), 'end')).toMatchObject([{ instance: busy }]);
    expect(of(subject.ended(busy, 161), 'start')).toMatchObject([{ ticket: 'large' }]);
  });

  it('evicts the least recently used idle instances, no more than needed', () => {
    const subject = pool();
    const old = warm(subject, group('old', 1, 400), 0);
    const young = warm(subject, group('young', 1, 400), 10);
    expect(of(subject.arrived('c', group('new', 1, 500), 20), 'end')).toEqual([
      { do: 'end', instance: old, reason: 'memory' },
    ]);
    expect(of(subject.ended(old, 21), 'start')).toMatchObject([{ ticket: 'c' }]);
    expect([...subject.instances()].map(({ id }) => id)).toContain(young);
  });

  it('evicts nobody for an action that would not fit even then', () => {
    const subject = pool();
    warm(subject, group('idle', 1, 200));
    const busy = group('busy', 1, 500);
    subject.arrived('running', busy, 1);
    expect(of(subject.arrived('c', group('new', 1, 700), 2), 'end')).toEqual([]);
  });

  it('counts a shared tensor once: the second instance of an action needs its private bytes only', () => {
    const manifest = { tensors: [{ sha256: 'a'.repeat(64), bytes: 800 }], privateBytes: 50 };
    const subject = pool();
    const commands = ['a', 'b', 'c'].flatMap((ticket) => subject.arrived(ticket, group('g', 1, 5000, manifest), 0));
    expect(of(commands, 'start')).toHaveLength(3);
    expect(subject.memory.usedBytes).toBe(800 + 3 * 50);
  });

  it('ends an idle instance whose tensors are what takes the room, as these go with their last holder', () => {
    const loaded = (key: string, bytes: number): ActionManifest => ({
      tensors: [{ sha256: key.repeat(64), bytes }],
      privateBytes: 40,
    });
    const subject = pool();
    const idle = warm(subject, group('a', 1, 300, loaded('a', 700)));
    subject.measured(700, new Map([[idle, 40]]), 1);
    expect(of(subject.arrived('b', group('b', 1, 300, loaded('b', 740)), 2), 'end')).toEqual([
      { do: 'end', instance: idle, reason: 'memory' },
    ]);
    // At once, not when the daemon's count has been asked for again.
    expect(of(subject.ended(idle, 3), 'start')).toMatchObject([{ ticket: 'b' }]);
    expect(subject.memory.usedBytes).toBe(740 + 40);
  });

  it('ends nobody whose tensors another holds, where that gives too little back', () => {
    const manifest = { tensors: [{ sha256: 'a'.repeat(64), bytes: 600 }], privateBytes: 50 };
    const subject = pool();
    const busy = group('busy', 1, 300, manifest);
    warm(subject, busy);
    subject.arrived('running', busy, 1);
    const other = warm(subject, group('idle', 1, 300, manifest), 2);
    expect(subject.memory.usedBytes).toBe(600 + 2 * 50);
    expect(of(subject.arrived('c', group('new', 1, 400), 3), 'end')).toEqual([]);
    expect(of(subject.arrived('d', group('small', 1, 320), 4), 'end')).toEqual([
      { do: 'end', instance: other, reason: 'memory' },
    ]);
  });

  it('spares those of the chosen whose end turns out not to be needed', () => {
    const shared = [{ sha256: 'a'.repeat(64), bytes: 500 }];
    const subject = pool();
    const held = { tensors: shared, privateBytes: 10 };
    const first = warm(subject, group('one', 1, 300, held), 0);
    const large = warm(subject, group('large', 1, 400), 1);
    // The first alone frees 510, but the newcomer needs its 500 again: only the second helps.
    const commands = subject.arrived('c', group('new', 1, 300, { tensors: shared, privateBytes: 200 }), 2);
    expect(of(commands, 'end')).toEqual([{ do: 'end', instance: large, reason: 'memory' }]);
    expect([...subject.instances()].map(({ id }) => id)).toContain(first);
  });

  it('takes what was measured in place of what was reserved, and relieves pressure', () => {
    const subject = pool();
    const one = warm(subject, group('one', 1, 300), 0);
    warm(subject, group('two', 1, 300), 1);
    subject.measured(500, new Map([[one, 100]]), 2);
    expect(subject.memory.usedBytes).toBe(500 + 100 + 300);
    subject.measured(700, new Map(), 3);
    expect(of(subject.tick(4), 'end')).toEqual([{ do: 'end', instance: one, reason: 'memory' }]);
  });

  it('expected failure: refuses an action that can never fit, one past the queue, and one that waited too long', () => {
    const subject = pool({ waitingMax: 1, waitMaxMs: 100, patienceMs: 50 });
    expect(subject.arrived('huge', group('huge', 1, 1001), 0)).toEqual([
      { do: 'refuse', ticket: 'huge', refusal: 'never-fits', missingBytes: 1 },
    ]);
    subject.arrived('running', group('busy', 1, 900), 0);
    subject.arrived('waits', group('other', 1, 500), 0);
    expect(subject.arrived('late', group('other', 1, 500), 0)).toEqual([
      { do: 'refuse', ticket: 'late', refusal: 'queue-full', missingBytes: 0 },
    ]);
    // Who has fewer waiting takes a place of who has more.
    const crowded = pool({ waitingMax: 3 });
    crowded.arrived('running', group('busy', 1, 900), 0);
    for (const ticket of ['m1', 'm2', 'm3']) crowded.arrived(ticket, group('many', 1, 500), 0);
    expect(of(crowded.arrived('few', group('few', 1, 500), 1), 'refuse')).toMatchObject([{ ticket: 'm3' }]);
    expect(of(subject.tick(100), 'refuse')).toEqual([
      { do: 'refuse', ticket: 'waits', refusal: 'waited-too-long', missingBytes: 400 },
    ]);
  });

  it('expected failure: after a failed init, aborts as many as would have run there', () => {
    const subject = pool();
    for (const ticket of ['a', 'b', 'c']) subject.arrived(ticket, group('g', 3, 10), 0);
    subject.created(1, 0);
    const commands = subject.initFailed(1, true, 1);
    expect(of(commands, 'abort').map(({ ticket }) => ticket)).toEqual(['b', 'c']);
    expect(of(commands, 'end')).toEqual([{ do: 'end', instance: 1, reason: 'failed' }]);
  });

  it('expected failure: a broken instance takes no more, finishes what it has, then ends', () => {
    const subject = pool();
    for (const ticket of ['a', 'b']) subject.arrived(ticket, group('g', 2, 10), 0);
    subject.created(1, 0);
    subject.initialised(1, 0);
    expect(of(subject.finished(1, 'a', true, 1), 'end')).toEqual([]);
    expect(of(subject.arrived('c', group('g', 2, 10), 2), 'run')).toEqual([]);
    expect(of(subject.finished(1, 'b', false, 3), 'end')).toEqual([{ do: 'end', instance: 1, reason: 'failed' }]);
  });

  it('expected failure: an activation that its instance never saw goes first to the next one', () => {
    const subject = pool();
    const description = group('g', 1, 10);
    const id = warm(subject, description);
    subject.arrived('a', description, 1);
    subject.ended(id, 2);
    expect(of(subject.returned(id, 'a', description, { arrivedMs: 1, startedMs: 1 }, 3), 'start')).toMatchObject([
      { ticket: 'a' },
    ]);
  });
});

describe('Pool with an objective', () => {
  const NONE = { groups: new Map(), ends: [] };
  /** @param latencyMs of an execution, as its profile says */
  const slo = (room: number, latencyMs?: number, sloMs = 100): GroupDescription => ({
    ...group('g', room, 10),
    settings: { ...settings(room, sloMs), ...(latencyMs === undefined ? {} : { latencyMs }) },
  });

  it('starts nothing for a ticket that instances at work will still answer in time, and starts when they will not', () => {
    const subject = pool();
    warm(subject, slo(1, 30));
    const early = ['a', 'b', 'c'].flatMap((ticket) => subject.arrived(ticket, slo(1, 30), 0));
    // 100 ms left are three executions: the present one, and two tickets after it.
    expect(of(early, 'start-beside')).toEqual([]);
    const late = subject.arrived('d', slo(1, 30), 0);
    expect([of(late, 'start'), of(late, 'start-beside')]).toMatchObject([[], [{ like: 'b' }]]);
  });

  it('counts the time that a ticket has spent on its way here, and serves what is due first', () => {
    const subject = pool();
    const id = warm(subject, slo(1, 30));
    subject.arrived('a', slo(1, 30), 0);
    subject.arrived('b', slo(1, 30), 0);
    // 30 of its 100 ms are gone: it can wait for the one before it, and for no other.
    expect(of(subject.arrived('old', slo(1, 30), 0, -30), 'start-beside')[0]).toMatchObject({ like: 'old' });
    expect(of(subject.finished(id, 'a', false, 5), 'run')).toMatchObject([{ ticket: 'old', instance: id }]);
  });

  it('starts one for a ticket that has waited until nobody can answer it in time', () => {
    const subject = pool();
    const id = warm(subject, slo(1, 30));
    subject.arrived('a', slo(1, 30), 0);
    expect(of(subject.arrived('b', slo(1, 30), 0), 'start-beside')).toEqual([]);
    expect(of(subject.tick(50), 'start-beside')).toMatchObject([{ like: 'b' }]);
    // It waits for whoever is free first.
    expect(of(subject.finished(id, 'a', false, 60), 'run')).toMatchObject([{ ticket: 'b', instance: id }]);
  });

  it('does not start one beside others again soon after that has failed', () => {
    const subject = pool();
    warm(subject, slo(1, 60));
    subject.arrived('a', slo(1, 60), 0);
    const [start] = of(subject.arrived('b', slo(1, 60), 0), 'start-beside');
    subject.created(start?.instance ?? 0, 1);
    subject.initFailed(start?.instance ?? 0, false, 2);
    expect(of(subject.tick(100), 'start-beside')).toEqual([]);
    expect(of(subject.tick(6_000), 'start-beside')).toMatchObject([{ like: 'b' }]);
  });

  it('starts no more of a group with an objective at once than its bound, others as they are asked for', () => {
    const subject = pool({ groupStartsMax: 2 });
    const starts = (description: GroupDescription): number =>
      ['1', '2', '3', '4'].flatMap((at) => of(subject.arrived(`${description.key}${at}`, description, 0), 'start'))
        .length;
    expect([starts({ ...slo(1), key: 'with' }), starts(group('without', 1, 10))]).toEqual([2, 4]);
  });

  it('gives each ticket to the instance with the fewest for its cores', () => {
    const subject = pool();
    const small = warm(subject, slo(8));
    const large = added(subject, { ...slo(8), settings: { ...settings(8, 100), workers: 2 } });
    const tickets = Array.from({ length: 9 }, (_, at) => `t${at}`);
    expect(shares(subject, tickets, slo(8), [small, large])).toEqual([3, 6]);
  });

  it.each([
    { what: 'saves much', jointMs: 24, expected: [4, 0] },
    { what: 'saves little', jointMs: 34, expected: [2, 2] },
  ])('gives tickets that are in time to the fullest where joining $what', ({ jointMs, expected }) => {
    const description = { ...slo(8, 20), settings: { ...settings(8, 200), batch: 2 } };
    const subject = pool();
    const ids = [warm(subject, description), added(subject, description)];
    const run = (requests: number, executionMs: number): void => {
      for (const { instance, ticket } of of(subject.arrived(`${requests} taught`, description, 0), 'run')) {
        subject.finished(instance, ticket, false, executionMs, { requests, executionMs, waitedMs: 0 });
      }
    };
    run(1, 20);
    run(2, jointMs);
    const given = shares(subject, ['a', 'b', 'c', 'd'], description, ids, 50);
    expect(given.sort((one, other) => other - one)).toEqual(expected);
  });

  describe('when more comes than can be served', () => {
    /** An instance of one ticket at a time that is busy, with an objective of 100 ms. */
    const busy = (): { subject: Pool<string>; id: number } => {
      const subject = pool();
      const id = warm(subject, slo(1, 30));
      for (const [ticket, atMs] of [
        ['at work', 0],
        ['lost', 0],
        ['lost too', 2],
        ['timely', 60],
        ['last', 70],
      ] as const) {
        subject.arrived(ticket, slo(1, 30), atMs);
      }
      return { subject, id };
    };
    /** Tickets in the order in which the instance gets them, one every 10 ms. */
    const order = (subject: Pool<string>, id: number, fromMs: number): string[] => {
      const served = ['at work'];
      for (let nowMs = fromMs; ; nowMs += 10) {
        const [next] = of(subject.finished(id, served.at(-1) ?? '', false, nowMs), 'run');
        if (next === undefined) return served.slice(1);
        served.push(next.ticket);
      }
    };

    it('serves the newest first that can still be in time, and the late ones after them', () => {
      const { subject, id } = busy();
      // An execution takes 30 ms, and the first two are due within that.
      expect(order(subject, id, 90)).toEqual(['last', 'timely', 'lost too', 'lost']);
    });

    it('serves in the order of arrival while nobody is late', () => {
      const { subject, id } = busy();
      expect(order(subject, id, 20)).toEqual(['lost', 'lost too', 'timely', 'last']);
    });

    it('leaves the room in which the next batch gathers to those who can be in time', () => {
      const subject = pool();
      const batching = { ...slo(4), settings: { ...settings(4, 400), batch: 2 } };
      const id = warm(subject, batching);
      const given = (ticket: string, atMs: number): string[] =>
        of(subject.arrived(ticket, batching, atMs), 'run').map((run) => run.ticket);
      const after = (ticket: string, atMs: number): string[] =>
        of(subject.finished(id, ticket, false, atMs), 'run').map((run) => run.ticket);
      for (const ticket of ['a', 'b', 'c', 'd']) expect(given(ticket, 10)).toEqual([ticket]);
      for (const ticket of ['late', 'late too', 'very late']) expect(given(ticket, 11)).toEqual([]);
      expect([after('a', 450), after('b', 450), after('c', 450)]).toEqual([[], [], ['very late']]);
      expect(given('in time', 451)).toEqual(['in time']);
      expect([after('d', 452), after('very late', 453)]).toEqual([[], ['late too']]);
    });

    it('gives an instance no more than it answers in time, but a batch at least', () => {
      const inside = (executionMs: number, tookMs = executionMs): number => {
        const subject = pool();
        const batching = { ...slo(8), settings: { ...settings(8, 100), batch: 2 } };
        const id = warm(subject, batching);
        subject.arrived('a', batching, 0);
        subject.finished(id, 'a', false, tookMs, { requests: 2, executionMs, waitedMs: 0 });
        for (let ticket = 0; ticket < 10; ticket += 1) subject.arrived(`t${ticket}`, batching, 200);
        return subject.running;
      };
      // Of 30 ms: one execution under way, another one, and its own. What is on a long way is before nobody.
      expect([inside(5), inside(30), inside(20, 50), inside(70)]).toEqual([8, 6, 8, 4]);
    });

    it('refuses the one first that has waited longest, however late it is', () => {
      const { subject } = busy();
      subject.tick(90);
      expect(of(subject.tick(10_001), 'refuse')).toEqual([
        { do: 'refuse', ticket: 'lost', refusal: 'waited-too-long', missingBytes: 0 },
      ]);
      expect(subject.waiting).toBe(3);
    });
  });

  it('starts what the scaler asks for in the shape it names, and only where memory is free', () => {
    const subject = pool({ budgetBytes: 25 });
    const commands = [subject.add(slo(8), 0), subject.add(slo(2), 0), subject.add(slo(2), 0)];
    expect(commands.map((each) => of(each, 'warm-up').map((start) => start.settings.room))).toEqual([[8], [2], []]);
    subject.created(1, 1);
    expect(subject.initialised(1, 2)).toEqual([]);
    const states = [...subject.instances()].map(({ state, settings: { room } }) => [state, room]);
    expect(states).toEqual([
      ['warm', 8],
      ['starting', 2],
    ]);
  });

  it('ends surplus instances when they have answered what they have', () => {
    const subject = pool();
    const id = warm(subject, slo(2));
    subject.arrived('a', slo(2), 1);
    expect(of(subject.planned({ ...NONE, ends: [id] }, 2), 'end')).toEqual([]);
    expect(of(subject.finished(id, 'a', false, 3), 'end')).toEqual([{ do: 'end', instance: id, reason: 'surplus' }]);
  });

  it('starts no further instance than a group has cores for, but one where none lives', () => {
    const subject = pool();
    const held = { ...slo(1), coresMax: 1 };
    expect(of(subject.arrived('a', held, 0), 'start')).toHaveLength(1);
    expect(of(subject.arrived('b', held, 1), 'start')).toEqual([]);
    expect(of(subject.ended(1, 2), 'start')).toMatchObject([{ ticket: 'b' }]);
  });
});

describe('Pool on random walks', () => {
  it('answers every ticket exactly once and never overcommits', () => {
    const next = fractionsFrom(testSeed());
    const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(next() * items.length)];
    for (let walk = 0; walk < 40; walk += 1) {
      const subject = pool({ startsMax: 3, patienceMs: 20 }, 40);
      const groups = Array.from({ length: 5 }, (_, index) => {
        const plain = group(`g${index}`, 1 + Math.floor(next() * 4), 50 + Math.floor(next() * 700));
        // Some have an objective, and a plan that comes and goes.
        return next() < 0.5
          ? plain
          : { ...plain, settings: settings(plain.settings.room, 10 + Math.floor(next() * 60)) };
      });
      const answered = new Map<string, number>();
      /** With the ticket that started it, if any. */
      const starting = new Map<number, string | undefined>();
      const initialising = new Map<number, string | undefined>();
      const running = new Map<string, number>();
      const ending = new Set<number>();
      let tickets = 0;
      let nowMs = 0;
      const answer = (ticket: string): void => void answered.set(ticket, (answered.get(ticket) ?? 0) + 1);
      const apply = (commands: PoolCommand<string>[]): void => {
        for (const command of commands) {
          if (command.do === 'start') starting.set(command.instance, command.ticket);
          if (command.do === 'warm-up' || command.do === 'start-beside') starting.set(command.instance, undefined);
          if (command.do === 'run') {
            expect(running.has(command.ticket)).toBe(false);
            running.set(command.ticket, command.instance);
          }
          if (command.do === 'end') ending.add(command.instance);
          if (command.do === 'refuse' || command.do === 'abort') answer(command.ticket);
        }
        expect(subject.memory.usedBytes).toBeLessThanOrEqual(OPTIONS.budgetBytes);
        for (const {
          settings: { room },
          running: inside,
        } of subject.instances()) {
          expect(inside.size).toBeLessThanOrEqual(room);
        }
      };
      const plan = (): void => {
        const living = [...subject.instances()].map(({ id }) => id);
        const wanted = groups.map(
          (each) => [each.key, { settings: each.settings, coresMax: next() < 0.2 ? 0 : 1_000 }] as const,
        );
        apply(subject.planned({ groups: new Map(wanted), ends: living.filter(() => next() < 0.1) }, nowMs));
        const chosen = pick(groups);
        if (chosen !== undefined && next() < 0.5) apply(subject.add(chosen, nowMs));
      };
      const step = (arrivals: boolean): void => {
        nowMs += Math.floor(next() * 10);
        if (next() < 0.05) return plan();
        const what = next();
        const started = pick([...starting]);
        const ready = pick([...initialising]);
        const done = pick([...running]);
        const over = pick([...ending]);
        if (arrivals && what < 0.35) apply(subject.arrived(`t${++tickets}`, pick(groups) ?? group('g', 1, 10), nowMs));
        else if (what < 0.5 && started !== undefined) {
          starting.delete(started[0]);
          initialising.set(...started);
          apply(subject.created(started[0], nowMs));
        } else if (what < 0.65 && ready !== undefined) {
          initialising.delete(ready[0]);
          if (next() < 0.15) {
            if (ready[1] !== undefined) answer(ready[1]);
            apply(subject.initFailed(ready[0], ready[1] !== undefined && next() < 0.5, nowMs));
          } else {
            if (ready[1] !== undefined) running.set(ready[1], ready[0]);
            apply(subject.initialised(ready[0], nowMs));
          }
        } else if (what < 0.85 && done !== undefined) {
          running.delete(done[0]);
          answer(done[0]);
          apply(subject.finished(done[1], done[0], next() < 0.1, nowMs));
        } else if (what < 0.9 && done !== undefined && next() < 0.3) {
          // Killed: its activations are answered by whoever ran them.
          ending.delete(done[1]);
          apply(subject.ended(done[1], nowMs));
          for (const [ticket, instance] of [...running]) {
            if (instance !== done[1]) continue;
            running.delete(ticket);
            answer(ticket);
            apply(subject.finished(instance, ticket, true, nowMs));
          }
        } else if (over !== undefined) {
          ending.delete(over);
          apply(subject.ended(over, nowMs));
        } else apply(subject.tick(nowMs));
      };
      for (let count = 0; count < 400; count += 1) step(true);
      for (let count = 0; count < 20_000 && answered.size < tickets; count += 1) step(false);
      expect(answered.size).toBe(tickets);
      expect([...answered.values()].every((times) => times === 1)).toBe(true);
      expect(subject.waiting + subject.running).toBe(0);
    }
  });
});

describe('an idle instance where memory is short', () => {
  const idle = { sleepAfterMs: 20, endProcessAfterMs: 90, sleepPressure: 0.5 };

  it('is told to sleep once, before it is paused, to end its process later, and anew after its next activation', () => {
    const subject = pool({ idle });
    const one = warm(subject, group('a', 1, 600));
    expect(of(subject.tick(19), 'rest')).toEqual([]);
    expect(subject.tick(20)).toEqual([{ do: 'rest', instance: one, level: 'asleep' }]);
    expect(subject.tick(60)).toEqual([{ do: 'pause', instance: one }]);
    expect(subject.tick(90)).toEqual([{ do: 'rest', instance: one, level: 'ended' }]);
    expect(subject.tick(95)).toEqual([]);
    expect(of(subject.arrived('next', group('a', 1, 600), 100), 'run')).toHaveLength(1);
    subject.finished(one, 'next', false, 110);
    expect(of(subject.tick(130), 'rest')).toEqual([{ do: 'rest', instance: one, level: 'asleep' }]);
  });

  it('keeps what it has given back when memory is free again', () => {
    const subject = pool({ idle });
    const one = warm(subject, group('a', 1, 600));
    expect(of(subject.tick(20), 'rest')).toHaveLength(1);
    subject.measured(undefined, new Map([[one, 10]]), 30);
    expect(of(subject.tick(90), 'rest')).toEqual([]);
  });

  it('is left alone where memory is free', () => {
    const subject = pool({ idle });
    warm(subject, group('a', 1, 400));
    expect(of(subject.tick(40), 'rest')).toEqual([]);
  });
});

describe('an instance that has grown', () => {
  it('ends when the one that replaces it is ready, and not before', () => {
    const subject = pool();
    const old = warm(subject, group('a', 1, 100));
    const [next] = of(subject.replace(old, 10), 'warm-up');
    expect(subject.replace(old, 11)).toEqual([]);
    subject.created(next?.instance ?? 0, 20);
    expect(of(subject.initialised(next?.instance ?? 0, 30), 'end')).toEqual([
      { do: 'end', instance: old, reason: 'grown' },
    ]);
  });

  it('finishes what it has', () => {
    const subject = pool();
    const old = warm(subject, group('a', 1, 100));
    subject.arrived('running', group('a', 1, 100), 5);
    const [next] = of(subject.replace(old, 10), 'warm-up');
    subject.created(next?.instance ?? 0, 20);
    expect(of(subject.initialised(next?.instance ?? 0, 30), 'end')).toEqual([]);
    expect(of(subject.finished(old, 'running', false, 40), 'end')).toEqual([
      { do: 'end', instance: old, reason: 'grown' },
    ]);
  });

  it('stays where memory has no room for the next', () => {
    const subject = pool();
    const old = warm(subject, group('a', 1, 600));
    expect(subject.replace(old, 10)).toEqual([]);
  });
});
