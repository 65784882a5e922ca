import { type InvokerStatus, newActivationId } from '@tetris/common';
import { lostActivations } from '../../../load-balancer/src/dispatch/losses';
import { Fleet } from '../../../load-balancer/src/fleet/fleet';
import { InFlightTable } from '../../../load-balancer/src/in-flight/table';
import { statusOf } from './cluster';

const RULES = { silenceMs: 10_000, lostMs: 45_000 };
const FLEET = { ...RULES, stockGraceMs: 0, suspectMs: 60_000, forgetMs: 3_600_000, invokersMax: 10 };

describe('an activation that its invoker does not have', () => {
  let fleet: Fleet;
  let table: InFlightTable;
  beforeEach(() => {
    fleet = new Fleet(FLEET);
    table = new InFlightTable();
  });

  function sent(sentMs: number, invoker = 0): string {
    const activationId = newActivationId();
    table.add({
      entry: {
        activationId,
        virtualInvoker: 0,
        invoker,
        controller: '0',
        transid: ['t', 1],
        blocking: true,
        deadlineMs: 1e9,
        namespace: 'guest',
        action: 'guest/hello',
      },
      release: () => undefined,
      sentMs,
      resultPassed: false,
      slotFreed: false,
    });
    return activationId;
  }
  /** A status and a look each second from `fromMs` to `toMs`. */
  function watch(fromMs: number, toMs: number, say: (nowMs: number) => Partial<InvokerStatus>): string[] {
    const lost: string[] = [];
    for (let nowMs = fromMs; nowMs <= toMs; nowMs += 1_000) {
      fleet.status(statusOf(0, say(nowMs)), nowMs);
      for (const { activationId } of lostActivations(table, fleet, RULES, nowMs)) {
        lost.push(activationId);
        table.remove(activationId);
      }
    }
    return lost;
  }

  it('is lost once an idle invoker has said so for long enough', () => {
    const id = sent(0);
    expect(watch(1_000, 45_000, () => ({ running: 0 }))).toEqual([]);
    expect(watch(46_000, 46_000, () => ({ running: 0 }))).toEqual([id]);
  });

  it('is lost on an invoker that never rests, once everything there began after it was sent', () => {
    const id = sent(0);
    const busy = (nowMs: number): Partial<InvokerStatus> => ({ running: 9, oldestStartMs: nowMs - 2_000 });
    expect(watch(1_000, 57_000, busy)).toEqual([]);
    expect(watch(58_000, 60_000, busy)).toEqual([id]);
  });

  it('is not lost while something runs there that may be it', () => {
    sent(0);
    expect(watch(1_000, 200_000, () => ({ running: 1, oldestStartMs: 0 }))).toEqual([]);
  });

  it('is not lost by a moment of rest', () => {
    sent(0);
    const say = (nowMs: number): Partial<InvokerStatus> =>
      nowMs % 40_000 === 0 ? { running: 1, oldestStartMs: 0 } : { running: 0, oldestStartMs: null };
    expect(watch(1_000, 200_000, say)).toEqual([]);
  });

  it('is not lost on a busy invoker of another kind, which says nothing of its oldest', () => {
    sent(0);
    expect(watch(1_000, 200_000, () => ({ running: 1 }))).toEqual([]);
  });

  it('is lost with an invoker that nobody has heard of since the restart', () => {
    const id = sent(0, 7);
    expect(lostActivations(table, fleet, RULES, 9_999)).toEqual([]);
    expect(lostActivations(table, fleet, RULES, 10_000).map(({ activationId }) => activationId)).toEqual([id]);
  });
});
