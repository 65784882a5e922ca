/** {@link CouchStore} on a server of CouchDB's API: the contract, stock's documents, and a database that goes away. */
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startCouch, type CouchServer } from '@tetris/bench/servers';
import { createLogger, isBinaryCode } from '@tetris/common';
import { CouchStore, type CouchStoreOptions } from '@tetris/common/couch';
import { anAction, anActivation } from '../support/entities';
import {
  durableStoreContract,
  entityStoreContract,
  type DurableStoreUnderTest,
} from '../support/entity-store-contract';
import { until } from '../support/until';
const log = createLogger('test', 'silent');

let couch: CouchServer;
beforeAll(async () => {
  couch = await startCouch();
});
afterAll(() => couch.stop());

/** Databases of its own for each test, as the databases outlive a store. */
async function freshStore(
  options: Partial<CouchStoreOptions> = {},
): Promise<DurableStoreUnderTest & { store: CouchStore }> {
  const prefix = `t${randomUUID().slice(0, 8)}_`;
  const databases = { whisks: `${prefix}whisks`, activations: `${prefix}activations`, subjects: `${prefix}subjects` };
  const open = (): CouchStore => new CouchStore({ url: couch.url, databases, ...options }, log);
  const store = open();
  await store.prepare();
  return { store, reopen: async () => open(), dispose: () => store.close() };
}

entityStoreContract('CouchStore', freshStore);
durableStoreContract('CouchStore', freshStore);

describe('CouchStore', () => {
  let store: CouchStore;
  let databases: Required<NonNullable<CouchStoreOptions['databases']>>;
  const open = (options: Partial<CouchStoreOptions> = {}): CouchStore =>
    new CouchStore({ url: couch.url, databases, ...options }, log);
  beforeEach(async () => {
    const prefix = `s${randomUUID().slice(0, 8)}_`;
    databases = { whisks: `${prefix}whisks`, activations: `${prefix}activations`, subjects: `${prefix}subjects` };
    store = open();
    await store.prepare();
  });
  afterEach(() => store.close());

  async function http<T>(method: string, database: string, id: string, json?: unknown): Promise<T> {
    const { origin, username, password } = new URL(couch.url);
    const headers = {
      authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    };
    const body = json === undefined ? null : JSON.stringify(json);
    const response = await fetch(`${origin}/${database}/${encodeURIComponent(id)}`, { method, headers, body });
    return (await response.json()) as T;
  }
  const document = (id: string): Promise<{ exec: { code: unknown }; _attachments?: Record<string, unknown> }> =>
    http('GET', databases.whisks, id);
  const stockDocument = (exec: unknown): unknown => ({
    entityType: 'action',
    namespace: 'guest',
    name: 'classify',
    version: '0.0.3',
    publish: false,
    updated: 1767225000000,
    exec,
    parameters: [],
    annotations: [],
    limits: { timeout: 60000, memory: 512, logs: 10, concurrency: 1 },
  });

  it('stores small code in the attachment name and large code as attachment, as a stock controller does', async () => {
    await store.putAction(anAction());
    expect((await document('guest/classify')).exec).toMatchObject({
      kind: 'nodejs:20',
      binary: false,
      code: {
        attachmentName: 'mem:ZXhwb3J0cy5tYWluID0gKGFyZ3MpID0-IGFyZ3M7',
        attachmentType: 'text/plain; charset=UTF-8',
        length: 30,
        digest: expect.stringMatching(/^sha256-[0-9a-f]{64}$/) as string,
      },
    });
    const code = Buffer.alloc(16_384, 1).toString('base64');
    const stored = await store.putAction(anAction({ name: 'zip', exec: { kind: 'nodejs:20', code, binary: true } }));
    expect(stored.revision).toMatch(/^2-/);
    const { exec, _attachments } = await document('guest/zip');
    const [name] = Object.keys(_attachments ?? {});
    expect(exec.code).toEqual({ attachmentName: `couch:${name}`, attachmentType: 'application/octet-stream' });
    expect(_attachments?.[name ?? '']).toMatchObject({ length: 16_384, content_type: 'application/octet-stream' });
  });

  it.each([
    ['a plain string', 'function main() {}', 'function main() {}', false],
    ['a plain string of base64', 'UEsDBAo=', 'UEsDBAo=', true],
    [
      'mem: with URL-safe characters',
      { attachmentName: 'mem:-_8=', attachmentType: 'application/octet-stream' },
      '+/8=',
      true,
    ],
    ['mem: of text', { attachmentName: 'mem:w6TigqzwnZm5', attachmentType: 'text/plain; charset=UTF-8' }, 'ä€𝙹', false],
  ])('reads code that is %s', async (_form, code, expected, binary) => {
    await http('PUT', databases.whisks, 'guest/classify', stockDocument({ kind: 'nodejs:tetris', code }));
    const { exec } = await store.getAction('guest/classify');
    expect(exec).toMatchObject({ kind: 'nodejs:tetris', code: expected, binary });
    if (binary) expect(isBinaryCode(exec.code ?? '')).toBe(true);
  });

  it('reads an attachment under a relative name, as old data has it', async () => {
    await http('PUT', databases.whisks, 'guest/classify', {
      ...(stockDocument({
        kind: 'nodejs:20',
        binary: false,
        code: { attachmentName: 'codefile', attachmentType: 'text/plain' },
      }) as object),
      _attachments: { codefile: { content_type: 'text/plain', data: Buffer.from('// ä\n').toString('base64') } },
    });
    expect((await store.getAction('guest/classify')).exec.code).toBe('// ä\n');
  });

  it('bad call: names a document that is no action and an attachment store that it cannot read', async () => {
    await http('PUT', databases.whisks, 'guest/rule', { entityType: 'rule', namespace: 'guest', name: 'rule' });
    await expect(store.getAction('guest/rule')).rejects.toMatchObject({ code: 'ERR_DOCUMENT_TYPE' });
    const exec = { kind: 'nodejs:20', code: { attachmentName: 's3:abc', attachmentType: 'text/plain' } };
    await http('PUT', databases.whisks, 'guest/classify', stockDocument(exec));
    await expect(store.getAction('guest/classify')).rejects.toThrow(/not supported: s3/);
  });

  it('answers for a revision that it has read once while the database is away, and reads a new one once', async () => {
    const { revision } = await store.putAction(anAction());
    await store.getAction('guest/classify', revision);
    await couch.down();
    try {
      expect(await store.getAction('guest/classify', revision)).toMatchObject({ revision });
      await expect(store.getAction('guest/classify')).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
        retriable: true,
      });
      await expect(store.getAction('guest/classify', '2-b')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    } finally {
      await couch.up();
    }
    expect(await store.getAction('guest/classify')).toMatchObject({ revision });
  });

  it('keeps records while the database is away and stores each once when it is back', async () => {
    await couch.down();
    const records = Array.from({ length: 700 }, (_, index) => anActivation({ start: 10_000 + index }));
    for (const record of records) store.putActivation(record);
    await new Promise((resolve) => setTimeout(resolve, 500));
    await couch.up();
    store.putActivation(records[0] ?? anActivation());
    await store.flush();
    expect(await store.countActivations('guest', {})).toBe(700);
    expect(store.recordsDropped).toBe(0);
  });

  it('expected failure: drops and counts what its queue cannot hold, without waiting', async () => {
    const small = open({ queueRecordsMax: 10, recordTtlMs: 300 });
    await couch.down();
    try {
      for (let index = 0; index < 25; index += 1) small.putActivation(anActivation());
      expect(small.recordsDropped).toBe(15);
      await small.flush();
      expect(small.recordsDropped).toBe(25);
    } finally {
      await couch.up();
    }
    await small.close();
  });

  it('gives up what is left at the end', async () => {
    const ending = open({ closeMsMax: 200 });
    await couch.down();
    try {
      ending.putActivation(anActivation());
      await ending.close();
      expect(ending.recordsDropped).toBe(1);
    } finally {
      await couch.up();
    }
  });

  it("reads a namespace's limits", async () => {
    const limits = { invocationsPerMinute: 5, allowedKinds: ['nodejs:tetris'], storeActivations: false };
    await http('PUT', databases.subjects, 'guest/limits', limits);
    expect(await store.getLimits('guest')).toEqual(limits);
    expect(await store.getLimits('other')).toEqual({});
  });

  it('knows the namespaces of blocked subjects, and those limited to nothing, each once', async () => {
    expect(await store.blockedNamespaces()).toEqual([]);
    const subject = (name: string, blocked?: boolean): unknown => ({
      subject: name,
      namespaces: [{ name }, { name: `${name}2` }],
      ...(blocked === undefined ? {} : { blocked }),
    });
    await http('PUT', databases.subjects, 'good', subject('good'));
    await http('PUT', databases.subjects, 'pardoned', subject('pardoned', false));
    await http('PUT', databases.subjects, 'bad', subject('bad', true));
    await http('PUT', databases.subjects, 'bad/limits', { invocationsPerMinute: 0 });
    await http('PUT', databases.subjects, 'idle/limits', { concurrentInvocations: 0 });
    await http('PUT', databases.subjects, 'good/limits', { concurrentInvocations: 1 });
    expect((await store.blockedNamespaces()).sort()).toEqual(['bad', 'bad2', 'idle']);
  });

  it('leaves design documents alone that are there already', async () => {
    const before = await http<{ _rev: string }>('GET', databases.whisks, '_design/whisks.v2.1.0');
    await store.prepare();
    await until(async () => {
      const after = await http<{ _rev: string }>('GET', databases.whisks, '_design/whisks.v2.1.0');
      return after._rev === before._rev;
    });
  });

  describe('from a server whose answers are cut off', () => {
    const code = { attachmentName: 'couch:code', attachmentType: 'application/octet-stream' };
    const stock = stockDocument({ kind: 'nodejs:20', binary: true, code }) as object;
    const whole = JSON.stringify({ _id: 'guest/classify', _rev: '1-a', ...stock });
    /** Promises all of it and sends half, once what to cut has been asked for. */
    const cutting = (what: 'the document' | 'the attachment'): Server =>
      createServer(({ url = '' }, response) => {
        const isAttachment = url.endsWith('/code');
        const isCut = isAttachment === (what === 'the attachment');
        response.writeHead(200, {
          'content-type': isAttachment ? 'application/octet-stream' : 'application/json',
          'content-length': whole.length,
        });
        if (isCut) response.write(whole.slice(0, whole.length / 2), () => response.destroy());
        else response.end(whole);
      });

    it.each(['the document', 'the attachment'] as const)(
      'expected failure: does not take half of %s for the whole',
      async (what) => {
        const server = cutting(what);
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        try {
          const { port } = server.address() as AddressInfo;
          const reading = open({ url: `http://127.0.0.1:${port}` }).getAction('guest/classify');
          await expect(reading).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', retriable: true });
        } finally {
          server.close();
        }
      },
    );
  });

  it('finds an action whatever its name holds', async () => {
    for (const name of ['my_local_action', 'a _design doc', 'x@y.z-1']) {
      const put = await store.putAction(anAction({ name }));
      expect(await store.getAction(`guest/${name}`)).toEqual(put);
    }
  });
});
