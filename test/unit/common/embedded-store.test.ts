import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, EmbeddedStore, type EmbeddedStoreOptions } from '@tetris/common';
import { spawnInTest } from '../../support/child';
import { anAction, anActivation } from '../../support/entities';
import {
  durableStoreContract,
  type DurableStoreUnderTest,
  entityStoreContract,
} from '../../support/entity-store-contract';

const log = createLogger('test', 'silent');
const page = { limit: 100_000, skip: 0 };
const folders: string[] = [];
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'tetris-entities-'));
  folders.push(path);
  return path;
};
afterAll(() => folders.forEach((path) => rmSync(path, { recursive: true, force: true })));

const open = (options: Partial<EmbeddedStoreOptions> = {}): Promise<EmbeddedStore> =>
  EmbeddedStore.open({ log, ...options });

entityStoreContract('EmbeddedStore in memory', async () => {
  const store = await open();
  return { store, dispose: () => store.close() };
});

const inFolder = async (): Promise<DurableStoreUnderTest> => {
  const path = folder();
  const store = await open({ folder: path });
  return { store, reopen: () => open({ folder: path }), dispose: () => store.close() };
};
entityStoreContract('EmbeddedStore in a folder', inFolder);
durableStoreContract('EmbeddedStore in a folder', inFolder);

describe('EmbeddedStore', () => {
  it('keeps the newest records within its bound', async () => {
    const store = await open({ activationsMax: 5 });
    for (let index = 1; index <= 12; index += 1) store.putActivation(anActivation({ start: index }));
    const left = await store.listActivations('guest', page);
    expect(left.map((record) => record.start)).toEqual([12, 11, 10, 9, 8]);
  });

  it('keeps records within a bound of bytes', async () => {
    const store = await open({ activationBytesMax: 50_000 });
    for (let index = 1; index <= 12; index += 1) {
      store.putActivation(
        anActivation({ start: index, response: { statusCode: 0, result: { x: 'x'.repeat(10_000) } } }),
      );
    }
    const left = await store.listActivations('guest', page);
    expect(left.map((record) => record.start)).toEqual([12, 11, 10, 9]);
  });

  it('keeps the first record of an activation id', async () => {
    const store = await open();
    const record = anActivation();
    store.putActivation(record);
    store.putActivation({ ...record, version: '9.9.9' });
    expect((await store.getActivation(`guest/${record.activationId}`)).version).toBe('0.0.3');
  });

  it('returns the limits it was given for a namespace', async () => {
    const store = await open({ limits: { guest: { concurrentInvocations: 3 } } });
    expect(await store.getLimits('guest')).toEqual({ concurrentInvocations: 3 });
    expect(await store.getLimits('other')).toEqual({});
  });

  it('takes a namespace without invocations for blocked', async () => {
    const limits = { idle: { concurrentInvocations: 0 }, mute: { invocationsPerMinute: 0 }, guest: {} };
    const store = await open({ limits });
    expect(await store.blockedNamespaces()).toEqual(['idle', 'mute']);
  });

  it('removes whole journal files as their records leave', async () => {
    const path = folder();
    const store = await open({ folder: path, activationsMax: 1500 });
    for (let index = 1; index <= 8000; index += 1) {
      store.putActivation(anActivation({ start: index }));
      if (index % 100 === 0) await store.flush();
    }
    await store.close();
    const segments = readdirSync(path).filter((name) => name.startsWith('records-'));
    expect(segments.length).toBeLessThanOrEqual(3);
    const again = await open({ folder: path, activationsMax: 1500 });
    expect((await again.listActivations('guest', { limit: 1, skip: 0 }))[0]?.start).toBe(8000);
    expect(await again.countActivations('guest', {})).toBe(1500);
    await again.close();
  });

  it('expected failure: a torn last line and a half-written document are left behind by a crash', async () => {
    const path = folder();
    const store = await open({ folder: path });
    const action = await store.putAction(anAction());
    const record = anActivation();
    store.putActivation(record);
    await store.close();
    const journal = readdirSync(path).find((name) => name.startsWith('records-')) ?? '';
    const whole = statSync(join(path, journal)).size;
    appendFileSync(join(path, journal), '{"namespace":"guest","activ');
    writeFileSync(join(path, 'documents', 'abc.json.new'), '{"id":"guest/cl');

    const again = await open({ folder: path });
    expect(await again.getAction('guest/classify')).toEqual(action);
    expect(await again.countActivations('guest', {})).toBe(1);
    expect(statSync(join(path, journal)).size).toBe(whole);
    again.putActivation(anActivation());
    await again.close();
    const third = await open({ folder: path });
    expect(await third.countActivations('guest', {})).toBe(2);
    await third.close();
  });

  it('expected failure: a SIGKILL loses no action that was acknowledged and no record that was flushed', async () => {
    const path = folder();
    const script = `
      const { EmbeddedStore, createLogger } = require(${JSON.stringify(join(__dirname, '../../../common/dist'))});
      (async () => {
        const store = await EmbeddedStore.open({ log: createLogger('child', 'silent'), folder: ${JSON.stringify(path)} });
        for (let index = 0; ; index += 1) {
          const name = 'action' + index;
          await store.putAction({ ...${JSON.stringify(anAction())}, name });
          store.putActivation({ ...${JSON.stringify(anActivation())}, activationId: index.toString(16).padStart(32, 'a') });
          await store.flush();
          process.stdout.write(index + '\\n');
        }
      })();`;
    const child = spawnInTest(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let acknowledged = -1;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      acknowledged = Number(text.trim().split('\n').at(-1));
      if (acknowledged >= 40) child.kill('SIGKILL');
    });
    await once(child, 'exit');
    expect(acknowledged).toBeGreaterThanOrEqual(40);
    const store = await open({ folder: path });
    expect(await store.countActions('guest')).toBeGreaterThanOrEqual(acknowledged + 1);
    expect(await store.countActivations('guest', {})).toBeGreaterThanOrEqual(acknowledged + 1);
    await store.close();
  });

  it('bad call: a data folder that cannot be used is named', async () => {
    const path = join(folder(), 'file');
    writeFileSync(path, '');
    await expect(open({ folder: path })).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: expect.stringContaining(path),
    });
  });
});
