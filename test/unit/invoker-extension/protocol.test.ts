/** The pure rules around an activation: bodies, locked parameters, limits, store policy, settings, log lines. */
import { createCipheriv } from 'node:crypto';
import { unlock } from '../../../invoker-extension/src/messages/parameters';
import { limitViolation } from '../../../invoker-extension/src/messages/limits';
import { failedRecord } from '../../../invoker-extension/src/messages/record';
import { initBody, providesApiKey, runBody } from '../../../invoker-extension/src/messages/requests';
import { isStored } from '../../../invoker-extension/src/messages/store-policy';
import { LineSplitter, readTag } from '../../../invoker-extension/src/sandboxes/log-lines';
import { privateOf } from '../../../invoker-extension/src/sandboxes/process-memory';
import { settingsOf } from '../../../invoker-extension/src/scaling/settings';
import { aMessage, aStoredAction } from '../../support/invoker';

const DEFAULTS = { concurrency: 4, workers: 1, threads: 1, batch: 1, batchWaitMs: 0, sloMs: 0 };

describe('initBody', () => {
  const settings = settingsOf(aStoredAction(), DEFAULTS);
  const tetris = aStoredAction({ exec: { kind: 'nodejs:tetris', code: 'UEs=', binary: true, main: 'go' } });
  const read = (body: string): Record<string, unknown> =>
    (JSON.parse(body) as { value: Record<string, unknown> }).value;

  it('tells tetris actions how they are run, and nobody else', () => {
    const job = { message: aMessage(), action: tetris, arrivedMs: 0, startedMs: 0 };
    expect(read(initBody(job, settingsOf(tetris, { ...DEFAULTS, sloMs: 300 }), 5))).toMatchObject({
      name: 'classify',
      main: 'go',
      binary: true,
      code: 'UEs=',
      // With a reserve for the way.
      tetris: { workers: 1, threads: 1, batch: 1, batchWaitMs: 0, memoryMb: 256, sloMs: 300 },
    });
    expect(read(initBody({ ...job, action: aStoredAction() }, settings, 5))).not.toHaveProperty('tetris');
  });

  it('tells an instance that its process had ended', () => {
    const job = { message: aMessage(), action: tetris, arrivedMs: 0, startedMs: 0 };
    expect(read(initBody(job, settings, 5, true)).tetris).toHaveProperty('wakes', true);
    expect(read(initBody(job, settings, 5)).tetris).not.toHaveProperty('wakes');
  });

  it('prints init parameters as text', () => {
    const content = { text: 't', number: 1, flag: true, none: null, list: [1], object: { a: 1 } };
    const message = aMessage({ content, initArgs: [...Object.keys(content), 'absent'] });
    expect(read(initBody({ message, action: aStoredAction(), arrivedMs: 0, startedMs: 0 }, settings, 5)).env).toEqual({
      text: 't',
      number: '1',
      flag: 'true',
      none: '',
      list: '[1]',
      object: '{"a":1}',
      __OW_NAMESPACE: 'guest',
      __OW_ACTION_NAME: '/guest/classify',
      __OW_ACTION_VERSION: '0.0.3',
      __OW_ACTIVATION_ID: message.activationId,
      __OW_TRANSACTION_ID: 'Zt4vQ9mB1xKc7LwYp3RsNf6HdJ2aGe80',
      __OW_DEADLINE: '5',
    });
  });

  it.each([
    [undefined, true],
    [true, true],
    [false, false],
    [null, false],
    [0, false],
    ['', false],
    ['yes', true],
  ])('passes the key on for annotation provide-api-key %p: %p', (value, expected) => {
    const annotations = value === undefined ? [] : [{ key: 'provide-api-key', value }];
    expect(providesApiKey({ annotations })).toBe(expected);
  });
});

describe('runBody', () => {
  const bodyOf = (overrides: Parameters<typeof aMessage>[0]): Record<string, unknown> =>
    JSON.parse(
      runBody({ message: aMessage(overrides), action: aStoredAction(), arrivedMs: 0, startedMs: 0 }, 7),
    ) as Record<string, unknown>;

  it('has an array, nothing, or the arguments without those of init as value', () => {
    expect(bodyOf({ content: [1, 2] }).value).toEqual([1, 2]);
    expect(bodyOf({ content: null }).value).toEqual({});
    expect(bodyOf({ content: { a: 1, b: 2 }, initArgs: ['b'] }).value).toEqual({ a: 1 });
  });

  it('has a null version where the message has none, and the deadline as text', () => {
    expect(bodyOf({ action: { path: 'guest', name: 'classify' } })).toMatchObject({
      action_version: null,
      deadline: '7',
    });
    expect(bodyOf({})).not.toHaveProperty('api_key');
  });
});

describe('unlock', () => {
  const lock = (text: string, key: Buffer, ivBytes: number): string => {
    const iv = Buffer.alloc(ivBytes, 7);
    const cipher = createCipheriv(key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key, iv);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(ivBytes);
    return Buffer.concat([length, iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64');
  };
  const key16 = Buffer.alloc(16, 1);
  const key32 = Buffer.alloc(32, 2);

  it.each([
    ['aes128', key16, 12],
    ['aes256', key32, 128],
  ])('opens what %s locked', (algorithm, key, ivBytes) => {
    const message = aMessage({
      content: { secret: lock('s3cret', key, ivBytes), a: 1 },
      lockedArgs: { secret: algorithm },
    });
    expect(unlock(message, key).content).toEqual({ secret: 's3cret', a: 1 });
  });

  it('leaves what another algorithm locked, and everything where there is no key', () => {
    const content = { secret: lock('s', key16, 12) };
    const message = aMessage({ content, lockedArgs: { secret: 'aes128' } });
    expect(unlock(message, key32).content).toEqual(content);
    expect(unlock(message, undefined)).toBe(message);
  });

  it('bad call: names the parameter that does not decrypt', () => {
    const message = aMessage({
      content: { secret: lock('s', Buffer.alloc(16, 9), 12) },
      lockedArgs: { secret: 'aes128' },
    });
    expect(() => unlock(message, key16)).toThrow("parameter 'secret' does not decrypt");
  });
});

describe('limitViolation', () => {
  const bounds = {
    timeoutMs: { min: 100, max: 1000 },
    memoryMb: { min: 128, max: 512 },
    logsMb: { min: 0, max: 10 },
    concurrency: { min: 1, max: 4 },
  };
  const limits = { timeout: 1000, memory: 512, logs: 0, concurrency: 4 };

  it('accepts what touches the bounds', () => {
    expect(limitViolation(aStoredAction({ limits }), bounds, {})).toBeUndefined();
  });

  it.each([
    [{ timeout: 1001 }, {}, 'time limit 1001 ms exceeds allowed threshold of 1000 ms'],
    [{ timeout: 99 }, {}, 'time limit 99 ms below allowed threshold of 100 ms'],
    [{ memory: 64 }, {}, 'memory limit 64 MB below allowed threshold of 128 MB'],
    [{ logs: 11 }, {}, 'log limit 11 MB exceeds allowed threshold of 10 MB'],
    [{ concurrency: 5 }, {}, 'concurrency limit 5 exceeds allowed threshold of 4'],
    [{}, { maxActionConcurrency: 2 }, 'concurrency limit 4 exceeds allowed threshold of 2'],
    [{ memory: 600 }, { maxActionMemory: 9000 }, 'memory limit 600 MB exceeds allowed threshold of 512 MB'],
  ])('bad call: names limit and bound for %p under %p', (change, user, text) => {
    expect(limitViolation(aStoredAction({ limits: { ...limits, ...change } }), bounds, user)).toBe(text);
  });
});

describe('isStored', () => {
  const record = (statusCode: 0 | 1 | 2 | 3) => failedRecord(aMessage(), { statusCode, result: {} }, 0);
  const levels = { blocking: 'failures', nonBlocking: 'failures-not-application-errors' } as const;

  it('follows the level of blocking and non-blocking activations', () => {
    const stored = (blocking: boolean): boolean[] =>
      ([0, 1, 2, 3] as const).map((code) => isStored(aMessage({ blocking }), record(code), levels));
    expect(stored(true)).toEqual([false, true, true, true]);
    expect(stored(false)).toEqual([false, false, true, true]);
  });

  it('stores nothing for a namespace that has it switched off, and everything under extra logging', () => {
    const user = { ...aMessage().user, limits: { storeActivations: false } };
    expect(isStored(aMessage({ user }), record(3), levels)).toBe(false);
    expect(isStored(aMessage({ user, transid: ['id', 1, true] }), record(0), levels)).toBe(true);
  });
});

describe('settingsOf', () => {
  const tetris = (annotations: { key: string; value: unknown }[], concurrency = 1) =>
    settingsOf(
      aStoredAction({
        exec: { kind: 'nodejs:tetris', code: 'x', binary: false },
        annotations,
        limits: { timeout: 1, memory: 1, logs: 1, concurrency },
      }),
      DEFAULTS,
    );

  it.each([
    ['the annotation', { 'tetris-concurrency': '8' }, 2, 8],
    ['the annotation, though it asks for less than an objective', { 'tetris-concurrency': 1, 'tetris-slo': 300 }, 2, 1],
    ['the limit above 1', {}, 2, 2],
    ['one, as the limit says', {}, 1, 1],
    ['one where the annotation is nonsense', { 'tetris-concurrency': 'many' }, 1, 1],
    ['one where batches are forbidden', { 'tetris-batching': false }, 1, 1],
    ['the default with an objective', { 'tetris-slo': '300' }, 1, 4],
    ['the default with batches', { 'tetris-batching': 'true' }, 1, 4],
    ['as much as a batch', { 'tetris-batching': 16 }, 1, 16],
  ])('gives room for %s', (_what, annotations, limit, room) => {
    expect(
      tetris(
        Object.entries(annotations).map(([key, value]) => ({ key, value })),
        limit,
      ).room,
    ).toBe(room);
    expect(settingsOf(aStoredAction(), DEFAULTS).room).toBe(1);
  });

  it('reads objective and batching', () => {
    expect(
      tetris([
        { key: 'tetris-slo', value: 300 },
        { key: 'tetris-batching', value: 8 },
      ]),
    ).toMatchObject({ sloMs: 300, batch: 8 });
    expect(tetris([])).not.toHaveProperty('sloMs');
  });
});

describe('LineSplitter', () => {
  it('gives whole lines across chunks, characters that were cut, and the rest at the end', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    const bytes = Buffer.from('één\r\ntwo\nrest');
    for (const byte of bytes) splitter.push(Buffer.of(byte));
    splitter.end();
    expect(lines).toEqual(['één', 'two', 'rest']);
  });

  it('cuts endless lines, and each piece keeps the tag of its activation', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    splitter.push(Buffer.from(`\u0001abc\u0001${'x'.repeat(150_000)}\n`));
    expect(lines.length).toBeGreaterThan(2);
    expect(new Set(lines.map((line) => readTag(line).activationId))).toEqual(new Set(['abc']));
    expect(lines.map((line) => readTag(line).text).join('')).toBe('x'.repeat(150_000));
  });
});

describe('privateOf', () => {
  it('leaves out what is mapped from the view', () => {
    const mapping = (path: string, kb: number): string =>
      `7f00-7f01 r--p 00000000 00:01 1    ${path}\nSize: 100 kB\nPss:  ${kb} kB\nPss_Dirty: 3 kB\n`;
    const smaps =
      mapping('[heap]', 10) + mapping('/dev/shm/store/views/token/model/tensor', 500) + mapping('/usr/bin/node', 4);
    expect(privateOf(smaps, '/dev/shm/store/views/token')).toBe(14 * 1024);
    expect(privateOf(smaps, undefined)).toBe(514 * 1024);
  });
});
