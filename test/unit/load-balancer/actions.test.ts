import { type Action, type EntityStore, PluginError, createLogger } from '@tetris/common';
import { ActionCatalog, type ActionFacts } from '../../../load-balancer/src/actions';
import { actionOf } from './cluster';

const log = createLogger('test', 'silent');
const OPTIONS = { actionsMax: 2, tetrisKinds: ['nodejs:tetris'], concurrencyDefault: 4 };

function catalogOver(answer: (id: string) => Action): { catalog: ActionCatalog; reads: string[] } {
  const reads: string[] = [];
  const entities = {
    async getAction(id: string): Promise<Action> {
      reads.push(id);
      return answer(id);
    },
  } as unknown as EntityStore;
  return { catalog: new ActionCatalog(entities, OPTIONS, log), reads };
}

describe('ActionCatalog', () => {
  it('reads a revision once, also when many ask at the same time', async () => {
    const { catalog, reads } = catalogOver(() => actionOf('nodejs:tetris'));
    await Promise.all(Array.from({ length: 10 }, async () => catalog.facts('guest/a', '1-a')));
    expect(await catalog.facts('guest/a', '1-a')).toEqual({
      kind: 'nodejs:tetris',
      memoryBytes: 256 * 1024 ** 2,
      timeoutMs: 60_000,
      concurrency: 1,
      priority: 0,
      deadlineMs: undefined,
    });
    expect(reads).toEqual(['guest/a']);
    await catalog.facts('guest/a', '2-b');
    expect(reads).toHaveLength(2);
  });

  it('keeps the most recently used actions', async () => {
    const { catalog, reads } = catalogOver(() => actionOf('nodejs:20'));
    for (const id of ['a', 'b', 'a', 'c', 'a', 'b']) await catalog.facts(id, '1');
    expect(reads).toEqual(['a', 'b', 'c', 'b']);
  });

  it('never keeps what was asked for without a revision', async () => {
    const { catalog, reads } = catalogOver(() => actionOf('nodejs:20'));
    await catalog.facts('a', null);
    await catalog.facts('a', null);
    expect(reads).toHaveLength(2);
  });

  it.each<[string, unknown, unknown, Partial<ActionFacts>]>([
    ['takes', 7, 250, { priority: 7, deadlineMs: 250, sloMs: 250 }],
    ['takes a negative', -1, undefined, { priority: -1, deadlineMs: undefined, sloMs: undefined }],
    ['leaves out a nonsensical', 'first', 0, { priority: 0, deadlineMs: undefined, sloMs: undefined }],
  ])('%s priority, deadline and objective from the annotations', async (_, priority, timeMs, expected) => {
    const annotations = [
      { key: 'tetris-priority', value: priority },
      { key: 'tetris-deadline', value: timeMs },
      { key: 'tetris-slo', value: timeMs },
    ];
    const { catalog } = catalogOver(() => ({ ...actionOf('nodejs:tetris'), annotations }));
    expect(await catalog.facts('a', '1')).toMatchObject(expected);
  });

  it.each<[string, Partial<Action>, number]>([
    ['the annotation', { annotations: [{ key: 'tetris-concurrency', value: 7 }] }, 7],
    ['the limit where it is more than one', { limits: { timeout: 1, memory: 1, logs: 1, concurrency: 3 } }, 3],
    ['the default for an objective', { annotations: [{ key: 'tetris-slo', value: 300 }] }, 4],
    ['the limit of a tetris kind that says no more', {}, 1],
    ['one for other kinds', { exec: { kind: 'nodejs:20', binary: false } }, 1],
    ['the limit where the annotation is nonsense', { annotations: [{ key: 'tetris-concurrency', value: 'many' }] }, 1],
    [
      'the limit of other kinds, whatever they annotate',
      { exec: { kind: 'nodejs:20', binary: false }, annotations: [{ key: 'tetris-concurrency', value: 7 }] },
      1,
    ],
  ])('takes the concurrency from %s', async (_, overrides, concurrency) => {
    const { catalog } = catalogOver(() => ({ ...actionOf('nodejs:tetris'), ...overrides }));
    expect((await catalog.facts('a', '1'))?.concurrency).toBe(concurrency);
  });

  it('expected failure: knows nothing of an action that cannot be read, and asks again the next time', async () => {
    let away = true;
    const { catalog } = catalogOver(() => {
      if (away) throw new PluginError('ERR_STORE_UNAVAILABLE', 'away', { retriable: true });
      return actionOf('nodejs:20');
    });
    expect(await catalog.facts('a', '1')).toBeUndefined();
    away = false;
    expect((await catalog.facts('a', '1'))?.kind).toBe('nodejs:20');
  });
});
