/** What every {@link EntityStore} promises. Run it against each adapter. */
import { DOCUMENT_BYTES_MAX, type EntityStore, isPluginError } from '@tetris/common';
import { anAction, anActivation, aPackage, aRule, aTrigger } from './entities';

export interface StoreUnderTest {
  store: EntityStore;
  dispose: () => Promise<void>;
}

/** A store whose data outlive it: `reopen` makes a second store over the same data, as another process would. */
export interface DurableStoreUnderTest extends StoreUnderTest {
  reopen: () => Promise<EntityStore>;
}

const page = { limit: 200, skip: 0 };

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (isPluginError(error)) return error.code;
    throw error;
  }
  throw new Error('the call succeeded');
}

/** @param make a fresh, empty store for each test */
export function entityStoreContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`${name} as an entity store`, () => {
    let subject: StoreUnderTest;
    let store: EntityStore;
    beforeEach(async () => {
      subject = await make();
      store = subject.store;
    });
    afterEach(() => subject.dispose());

    describe('actions', () => {
      it('returns what was put, with a revision of the form N-hash', async () => {
        const stored = await store.putAction(anAction());
        expect(stored.revision).toMatch(/^\d+-[0-9a-f]{32}$/);
        expect(await store.getAction('guest/classify')).toEqual(stored);
        expect(await store.getAction('guest/classify', stored.revision)).toEqual(stored);
        expect(stored).toMatchObject(anAction());
      });

      it('counts the revision up when an action is replaced', async () => {
        const first = await store.putAction(anAction());
        const second = await store.putAction(anAction({ version: '0.0.2' }), first.revision);
        expect(Number.parseInt(second.revision, 10)).toBeGreaterThan(Number.parseInt(first.revision, 10));
        expect((await store.getAction('guest/classify')).version).toBe('0.0.2');
      });

      it('returns the newest when the revision asked for is not the present one', async () => {
        const first = await store.putAction(anAction());
        const second = await store.putAction(anAction({ version: '0.0.2' }), first.revision);
        const found = await store.getAction('guest/classify', first.revision);
        expect(found.version).toBe('0.0.2');
        expect(found.revision).toBe(second.revision);
      });

      it('keeps binary and text code of more than 16 KiB exactly', async () => {
        const text = `exports.main = () => ({ text: '${'ä€😀'.repeat(20_000)}' });`;
        const binary = Buffer.from(Array.from({ length: 60_000 }, (_, index) => (index * 31) % 256)).toString('base64');
        await store.putAction(anAction({ name: 'text', exec: { kind: 'nodejs:20', code: text, binary: false } }));
        await store.putAction(anAction({ name: 'zip', exec: { kind: 'nodejs:20', code: binary, binary: true } }));
        expect((await store.getAction('guest/text')).exec).toMatchObject({ code: text, binary: false });
        expect((await store.getAction('guest/zip')).exec).toMatchObject({ code: binary, binary: true });
      });

      it('keeps main, parameters, annotations and limits', async () => {
        const action = anAction({
          exec: { kind: 'nodejs:tetris', code: 'function hello() {}', binary: false, main: 'hello' },
          parameters: [
            { key: 'topk', value: 5 },
            { key: 'secret', value: null, init: true },
          ],
          annotations: [
            { key: 'tetris-slo', value: 200 },
            { key: 'final', value: true },
          ],
          limits: { timeout: 1000, memory: 512, logs: 0, concurrency: 8 },
        });
        await store.putAction(action);
        expect(await store.getAction('guest/classify')).toMatchObject(action);
      });

      it('gives each caller a copy of its own', async () => {
        await store.putAction(anAction({ parameters: [{ key: 'topk', value: 5 }] }));
        const mine = await store.getAction('guest/classify');
        mine.parameters.push({ key: 'x', value: 1 });
        mine.limits.memory = 1;
        expect((await store.getAction('guest/classify')).parameters).toHaveLength(1);
        expect((await store.getAction('guest/classify')).limits.memory).toBe(256);
      });

      it('bad call: refuses to create what exists, and to replace with a revision that is not the present one', async () => {
        const first = await store.putAction(anAction());
        expect(await codeOf(store.putAction(anAction()))).toBe('ERR_DOCUMENT_CONFLICT');
        await store.putAction(anAction(), first.revision);
        expect(await codeOf(store.putAction(anAction(), first.revision))).toBe('ERR_DOCUMENT_CONFLICT');
        expect(await codeOf(store.deleteAction('guest/classify', first.revision))).toBe('ERR_DOCUMENT_CONFLICT');
      });

      it('lets one of two concurrent writers win', async () => {
        const first = await store.putAction(anAction());
        const outcomes = await Promise.allSettled(
          ['0.0.2', '0.0.3'].map((version) => store.putAction(anAction({ version }), first.revision)),
        );
        expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected']);
      });

      it('bad call: names what is not there', async () => {
        expect(await codeOf(store.getAction('guest/none'))).toBe('ERR_DOCUMENT_NOT_FOUND');
        expect(await codeOf(store.deleteAction('guest/none', '1-0'))).toBe('ERR_DOCUMENT_NOT_FOUND');
      });

      it('forgets a deleted action, and counts its revision on when it is made again', async () => {
        const first = await store.putAction(anAction());
        await store.deleteAction('guest/classify', first.revision);
        expect(await codeOf(store.getAction('guest/classify'))).toBe('ERR_DOCUMENT_NOT_FOUND');
        expect(await store.countActions('guest')).toBe(0);
        const again = await store.putAction(anAction());
        expect(Number.parseInt(again.revision, 10)).toBeGreaterThan(Number.parseInt(first.revision, 10));
      });

      it('lists a namespace with its packages newest first, in pages, without code', async () => {
        await store.putAction(anAction({ name: 'a', updated: 1000 }));
        await store.putAction(anAction({ name: 'b', updated: 3000 }));
        await store.putAction(anAction({ namespace: 'guest/vision', name: 'c', updated: 2000 }));
        await store.putAction(anAction({ namespace: 'other', name: 'd', updated: 4000 }));
        const all = await store.listActions('guest', page);
        expect(all.map((action) => action.name)).toEqual(['b', 'c', 'a']);
        expect(all.every((action) => action.exec.code === undefined)).toBe(true);
        expect((await store.listActions('guest', { limit: 1, skip: 1 })).map((action) => action.name)).toEqual(['c']);
        expect(await store.countActions('guest')).toBe(3);
        expect(await store.countActions('nobody')).toBe(0);
      });
    });

    describe('packages, triggers and rules', () => {
      const link = { action: { path: 'guest/vision', name: 'classify' }, status: 'active' as const };
      const trigger = aTrigger({
        parameters: [{ key: 'p', value: { deep: [1] } }],
        rules: { 'guest/on-arrival': link },
      });
      const binding = aPackage({ name: 'eyes', binding: { namespace: 'guest', name: 'vision' } });

      it('returns each as it was put, with a revision, and a copy of its own to every caller', async () => {
        const stored = await store.putEntity('trigger', trigger);
        expect(stored).toMatchObject({ ...trigger, revision: expect.stringMatching(/^1-[0-9a-f]{32}$/) });
        stored.parameters.length = 0;
        expect(await store.getEntity('trigger', 'guest/arrived')).toMatchObject(trigger);
        await store.putEntity('package', binding);
        expect(await store.getEntity('package', 'guest/eyes')).toMatchObject(binding);
        await store.putEntity('package', aPackage());
        expect((await store.getEntity('package', 'guest/vision')).binding).toEqual({});
        await store.putEntity('rule', aRule());
        expect(await store.getEntity('rule', 'guest/on-arrival')).toMatchObject(aRule());
      });

      it('replaces at the present revision only, and forgets what is deleted', async () => {
        const first = await store.putEntity('package', aPackage());
        const second = await store.putEntity('package', { ...first, version: '0.0.2' }, first.revision);
        expect(second).toMatchObject({ version: '0.0.2', revision: expect.stringMatching(/^2-/) });
        expect(await codeOf(store.putEntity('package', aPackage()))).toBe('ERR_DOCUMENT_CONFLICT');
        expect(await codeOf(store.putEntity('package', aPackage(), first.revision))).toBe('ERR_DOCUMENT_CONFLICT');
        expect(await codeOf(store.deleteEntity('package', 'guest/vision', first.revision))).toBe(
          'ERR_DOCUMENT_CONFLICT',
        );
        await store.deleteEntity('package', 'guest/vision', second.revision);
        expect(await codeOf(store.getEntity('package', 'guest/vision'))).toBe('ERR_DOCUMENT_NOT_FOUND');
      });

      it('bad call: says that an id belongs to another type, actions included', async () => {
        await store.putAction(anAction({ name: 'taken' }));
        await store.putEntity('package', aPackage());
        expect(await codeOf(store.getEntity('package', 'guest/taken'))).toBe('ERR_DOCUMENT_TYPE');
        expect(await codeOf(store.getEntity('rule', 'guest/vision'))).toBe('ERR_DOCUMENT_TYPE');
        expect(await codeOf(store.getAction('guest/vision'))).toBe('ERR_DOCUMENT_TYPE');
        expect(await codeOf(store.putEntity('trigger', aTrigger({ name: 'taken' })))).toBe('ERR_DOCUMENT_CONFLICT');
      });

      it('lists and counts each type of a namespace newest first, in pages, and public packages alone', async () => {
        await store.putEntity('package', aPackage({ name: 'old', updated: 1000, publish: true }));
        await store.putEntity('package', aPackage({ name: 'new', updated: 3000 }));
        await store.putEntity('package', { ...binding, updated: 2000, publish: true });
        await store.putEntity('package', aPackage({ namespace: 'other', name: 'not-mine' }));
        await store.putEntity('trigger', trigger);
        await store.putEntity('rule', aRule());
        const names = async (query: object): Promise<string[]> =>
          (await store.listEntities('package', 'guest', { ...page, ...query })).map(({ name }) => name);
        expect(await names({})).toEqual(['new', 'eyes', 'old']);
        expect(await names({ limit: 1, skip: 1 })).toEqual(['eyes']);
        expect(await names({ isPublic: true })).toEqual(['old']);
        expect(await store.countEntities('package', 'guest')).toBe(3);
        expect(await store.countEntities('package', 'guest', { isPublic: true })).toBe(1);
        expect(await store.listEntities('trigger', 'guest', page)).toMatchObject([trigger]);
        expect(await store.listEntities('rule', 'guest', page)).toMatchObject([aRule()]);
        expect(await store.countEntities('rule', 'nobody')).toBe(0);
        expect(await store.countActions('guest')).toBe(0);
      });
    });

    describe('activations', () => {
      it('returns a record as it was put, once it is flushed', async () => {
        const record = anActivation();
        store.putActivation(record);
        await store.flush();
        expect(await store.getActivation(`guest/${record.activationId}`)).toMatchObject(record);
      });

      it('bad call: does not find an unknown record, nor one under another namespace', async () => {
        const record = anActivation();
        store.putActivation(record);
        await store.flush();
        expect(await codeOf(store.getActivation(`other/${record.activationId}`))).toBe('ERR_DOCUMENT_NOT_FOUND');
        expect(await codeOf(store.getActivation(`guest/${'f'.repeat(32)}`))).toBe('ERR_DOCUMENT_NOT_FOUND');
      });

      it('lists newest first with since, upto, skip and limit, both bounds included', async () => {
        const starts = [3000, 1000, 5000, 2000, 4000];
        for (const start of starts) store.putActivation(anActivation({ start }));
        store.putActivation(anActivation({ namespace: 'other', start: 3500 }));
        await store.flush();
        const startsOf = async (query: Parameters<EntityStore['listActivations']>[1]): Promise<number[]> =>
          (await store.listActivations('guest', query)).map((record) => record.start);
        expect(await startsOf(page)).toEqual([5000, 4000, 3000, 2000, 1000]);
        expect(await startsOf({ ...page, since: 2000, upto: 4000 })).toEqual([4000, 3000, 2000]);
        expect(await startsOf({ limit: 2, skip: 1 })).toEqual([4000, 3000]);
        expect(await startsOf({ limit: 2, skip: 5 })).toEqual([]);
        expect(await store.countActivations('guest', { since: 2000 })).toBe(4);
        expect(await store.countActivations('guest', {})).toBe(5);
      });

      it('filters by name, where a packaged action is package/name', async () => {
        store.putActivation(anActivation({ name: 'classify' }));
        store.putActivation(anActivation({ name: 'detect' }));
        const path = { key: 'path', value: 'guest/vision/classify' };
        store.putActivation(anActivation({ name: 'classify', annotations: [path] }));
        await store.flush();
        const count = (name: string): Promise<number> => store.countActivations('guest', { name });
        expect(await Promise.all(['classify', 'detect', 'vision/classify', 'none'].map(count))).toEqual([1, 1, 1, 0]);
        expect(await store.listActivations('guest', { ...page, name: 'detect' })).toMatchObject([{ name: 'detect' }]);
      });

      it('takes many records at once', async () => {
        for (let index = 0; index < 1200; index += 1) store.putActivation(anActivation({ start: 10_000 + index }));
        await store.flush();
        expect(await store.countActivations('guest', {})).toBe(1200);
      });
    });

    describe('own documents', () => {
      const id = `profile/${'a'.repeat(64)}`;

      it('returns what the last change made, and nothing under another id', async () => {
        await store.changeDocument(id, (present) => ({ was: present ?? null, text: 'ä€😀' }));
        expect(await store.getDocument(id)).toEqual({ was: null, text: 'ä€😀' });
        await store.changeDocument(id, (present) => ({ was: present }));
        expect(await store.getDocument(id)).toEqual({ was: { was: null, text: 'ä€😀' } });
        expect(await store.getDocument(`${id}b`)).toBeUndefined();
      });

      it('gives each caller a copy of its own', async () => {
        await store.changeDocument(id, () => ({ rows: [1] }));
        ((await store.getDocument(id)) as { rows: number[] }).rows.push(2);
        expect(await store.getDocument(id)).toEqual({ rows: [1] });
      });

      it('lets every one of concurrent changes take effect', async () => {
        const add = (row: number) => (present: unknown) => [...((present as number[] | undefined) ?? []), row];
        await Promise.all(Array.from({ length: 8 }, (_, row) => store.changeDocument(id, add(row))));
        expect(((await store.getDocument(id)) as number[]).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      });

      it('shows them to nobody who lists actions', async () => {
        await store.putAction(anAction());
        await store.changeDocument(id, () => ({}));
        expect(await store.listActions('guest', page)).toHaveLength(1);
        expect(await store.countActions('guest')).toBe(1);
      });

      it('bad call: refuses what is too large, and keeps what was there', async () => {
        await store.changeDocument(id, () => 'small');
        expect(await codeOf(store.changeDocument(id, () => 'x'.repeat(DOCUMENT_BYTES_MAX)))).toBe(
          'ERR_DOCUMENT_INVALID',
        );
        expect(await store.getDocument(id)).toBe('small');
      });
    });

    it('has no limits of its own for a namespace that nobody limited', async () => {
      expect(await store.getLimits('guest')).toEqual({});
    });
  });
}

/** What a store whose data outlive it promises beside {@link entityStoreContract}. */
export function durableStoreContract(name: string, make: () => Promise<DurableStoreUnderTest>): void {
  describe(`${name} as a durable entity store`, () => {
    it('lets changes of own documents through two stores over the same data all take effect', async () => {
      const { store, reopen, dispose } = await make();
      const other = await reopen();
      const add = (row: number) => (present: unknown) => [...((present as number[] | undefined) ?? []), row];
      try {
        await Promise.all(
          Array.from({ length: 10 }, (_, row) => (row % 2 === 0 ? store : other).changeDocument('profile/a', add(row))),
        );
        expect(((await store.getDocument('profile/a')) as number[]).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        expect(await other.getDocument('profile/a')).toEqual(await store.getDocument('profile/a'));
      } finally {
        await other.close();
        await dispose();
      }
    });

    it('shows everything to whoever opens the same data again', async () => {
      const { store, reopen, dispose } = await make();
      const action = await store.putAction(anAction());
      const gone = await store.putAction(anAction({ name: 'gone' }));
      await store.deleteAction('guest/gone', gone.revision);
      const trigger = await store.putEntity('trigger', aTrigger());
      const record = anActivation();
      store.putActivation(record);
      await store.changeDocument('profile/a', () => ({ rows: 1 }));
      await store.close();
      const again = await reopen();
      try {
        expect(await again.getAction('guest/classify')).toEqual(action);
        expect(await again.getEntity('trigger', 'guest/arrived')).toEqual(trigger);
        expect(await codeOf(again.getAction('guest/gone'))).toBe('ERR_DOCUMENT_NOT_FOUND');
        expect(await again.getActivation(`guest/${record.activationId}`)).toMatchObject(record);
        expect(await again.getDocument('profile/a')).toEqual({ rows: 1 });
      } finally {
        await again.close();
        await dispose();
      }
    });
  });
}
