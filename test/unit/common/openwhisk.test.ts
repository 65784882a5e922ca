import {
  type Ack,
  ackedActivationId,
  ackType,
  type Activation,
  activationEvent,
  combinedMessage,
  completionMessage,
  formatByteSize,
  freesSlot,
  fullyQualifiedName,
  hasExtraLogging,
  invokerInstanceId,
  isBinaryCode,
  isHealthTest,
  newActivationId,
  newTransactionId,
  parseByteSize,
  readAck,
  readActivationMessage,
  readEvent,
  readPing,
  resultMessage,
  shrink,
  Topics,
  transactionIdOf,
  transactionStartMs,
} from '@tetris/common';
import { anActivation } from '../../support/entities';

const TRANSID = ['Zt4vQ9mB1xKc7LwYp3RsNf6HdJ2aGe80', 1767225600123];
const ID = '4d0f8a1c2b3e4956a7c8d9e0f1a2b3c4';

/** As a controller writes it. */
const MESSAGE = {
  transid: TRANSID,
  action: { path: 'guest/vision', name: 'classify', version: '0.0.3' },
  revision: '5-2b9f1c4d7e8a40b6935d0c1e2f3a4b5c',
  user: {
    subject: 'guest',
    namespace: { name: 'guest', uuid: '6f1d2c3b-4a59-4687-8695-0a1b2c3d4e5f' },
    authkey: { api_key: '6f1d2c3b-4a59-4687-8695-0a1b2c3d4e5f:secret' },
    rights: ['READ', 'PUT', 'DELETE', 'ACTIVATE'],
    limits: {},
  },
  activationId: ID,
  rootControllerIndex: { asString: '0', instanceType: 'controller' },
  blocking: true,
  content: { topk: 5 },
  initArgs: [],
  lockedArgs: {},
};
const without = (name: string): object => Object.fromEntries(Object.entries(MESSAGE).filter(([key]) => key !== name));
const read = (message: object): ReturnType<typeof readActivationMessage> =>
  readActivationMessage(JSON.stringify(message));

describe('ActivationMessage', () => {
  it('is read as it was written, unknown fields included', () => {
    expect(read({ ...MESSAGE, later: { a: 1 } })).toEqual({ ...MESSAGE, later: { a: 1 } });
  });

  it.each(['content', 'cause', 'traceContext'])('may lack %s, or have null there', (name) => {
    expect(() => read(without(name))).not.toThrow();
    expect(() => read({ ...MESSAGE, [name]: null })).not.toThrow();
  });

  it.each([
    'transid',
    'action',
    'revision',
    'user',
    'activationId',
    'rootControllerIndex',
    'blocking',
    'initArgs',
    'lockedArgs',
  ])('bad call: may not lack %s, as the stock reader has it', (name) => {
    expect(() => read(without(name))).toThrow(
      expect.objectContaining({ code: 'ERR_MESSAGE_INVALID', message: expect.stringContaining(name) }),
    );
  });

  it('takes a null revision, an array as content, and a bare action name', () => {
    expect(read({ ...MESSAGE, revision: null }).revision).toBeNull();
    expect(read({ ...MESSAGE, content: [1, 2] }).content).toEqual([1, 2]);
    expect(fullyQualifiedName(read({ ...MESSAGE, action: 'guest/vision/classify' }).action)).toBe(
      'guest/vision/classify',
    );
    expect(() => read({ ...MESSAGE, action: 'classify' })).toThrow(/ActivationMessage is malformed: action/);
  });

  it('is a health test by namespace and name alone', () => {
    expect(isHealthTest({ path: 'whisk.system', name: 'invokerHealthTestAction0' })).toBe(true);
    expect(isHealthTest({ path: 'guest', name: 'invokerHealthTestAction0' })).toBe(false);
    expect(isHealthTest(MESSAGE.action)).toBe(false);
  });

  it('bad call: what is no JSON is refused by name', () => {
    expect(() => readActivationMessage('{"transid":')).toThrow(/ActivationMessage is not JSON/);
  });
});

describe('acks', () => {
  const instance = invokerInstanceId(3, 16 * 1024 ** 3, 'tetris3');
  const activation: Activation = anActivation({ activationId: ID });

  it.each<[string, Ack, boolean]>([
    ['result', resultMessage(TRANSID, activation), false],
    ['completion', completionMessage(TRANSID, ID, false, instance), true],
    ['combined', combinedMessage(TRANSID, activation, instance), true],
  ])('are told apart by their keys: %s', (type, ack, frees) => {
    const back = readAck(JSON.stringify(ack));
    expect(ackType(back)).toBe(type);
    expect(freesSlot(back)).toBe(frees);
    expect(ackedActivationId(back)).toBe(ID);
    expect(back.transid).toEqual(TRANSID);
  });

  it('write every field that stock readers demand', () => {
    expect(JSON.parse(JSON.stringify(completionMessage(TRANSID, ID, true, instance)))).toEqual({
      transid: TRANSID,
      activationId: ID,
      isSystemError: true,
      instance: {
        instance: 3,
        userMemory: '17179869184 B',
        instanceType: 'invoker',
        tags: [],
        dedicatedNamespaces: [],
        uniqueName: 'tetris3',
      },
    });
  });

  it.each([
    [0, false],
    [1, false],
    [2, false],
    [3, true],
  ])('count status %i as a system error: %p', (statusCode, isSystemError) => {
    const failed = { ...activation, response: { statusCode, result: {} } };
    expect(combinedMessage(TRANSID, failed, instance).isSystemError).toBe(isSystemError);
  });

  it('shrink to the activation id, and stay shrunk', () => {
    const small = shrink(combinedMessage(TRANSID, activation, instance));
    expect(small.response).toBe(ID);
    expect(ackType(readAck(JSON.stringify(small)))).toBe('combined');
    expect(shrink(small)).toEqual(small);
  });

  it('bad call: one that says nothing is refused', () => {
    expect(() => readAck(JSON.stringify({ transid: TRANSID }))).toThrow(/neither instance nor response/);
    expect(() => readAck(JSON.stringify({ transid: TRANSID, instance }))).toThrow(/no activationId/);
    expect(() => readAck(JSON.stringify({ transid: TRANSID, response: 'short' }))).toThrow(/response/);
  });
});

describe('scalars', () => {
  it('reads sizes as OpenWhisk does and writes them in bytes', () => {
    expect(['256 MB', '256m', '2147483648 B', '1 gb', '4K'].map(parseByteSize)).toEqual([
      268435456, 268435456, 2147483648, 1073741824, 4096,
    ]);
    expect(['1.5 MB', '', 'MB', '5 TB'].map(parseByteSize)).toEqual([undefined, undefined, undefined, undefined]);
    expect(formatByteSize(256 * 1024 ** 2)).toBe('268435456 B');
  });

  it('reads every form of a transid and never fails', () => {
    expect(transactionIdOf(TRANSID)).toBe(TRANSID[0]);
    expect(transactionStartMs(TRANSID, 5)).toBe(1767225600123);
    expect(hasExtraLogging(['a', 1, true, ['parent', 0]])).toBe(true);
    expect(hasExtraLogging(['a', 1, ['parent', 0]])).toBe(false);
    expect([transactionIdOf([]), transactionStartMs(['x'], 5)]).toEqual(['sid_unknown', 5]);
  });

  it('makes ids that are legal and differ', () => {
    const ids = Array.from({ length: 100 }, () => newActivationId());
    expect(ids.every((id) => /^[0-9a-f]{32}$/.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(100);
    expect(newTransactionId(7)).toEqual([expect.stringMatching(/^[A-Za-z0-9]{32}$/), 7]);
  });

  it('computes binary as the controller does, short words included', () => {
    expect(['UEsDBBQAAAAIAA==', 'abcd', ' abcd\n'].map(isBinaryCode)).toEqual([true, true, true]);
    expect(['', '   ', 'abc', 'ab\ncd123', 'function main() {}'].map(isBinaryCode)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  it('names topics by prefix without a separator', () => {
    const topics = new Topics('tetris-');
    expect([topics.invoker(3), topics.completed('0'), topics.health]).toEqual([
      'tetris-invoker3',
      'tetris-completed0',
      'tetris-health',
    ]);
  });
});

describe('pings and events', () => {
  it('reads a ping; absent isEnabled is kept absent', () => {
    const name = invokerInstanceId(0, 1024 ** 3);
    expect(readPing(JSON.stringify({ name }))).toEqual({ name });
    expect(readPing(JSON.stringify({ name, isEnabled: false })).isEnabled).toBe(false);
    expect(() => readPing(JSON.stringify({ name: { ...name, userMemory: 'much' } }))).toThrow(/userMemory/);
  });

  it('makes the event of an activation from its annotations', () => {
    const record = anActivation();
    record.annotations.push({ key: 'waitTime', value: 78 }, { key: 'initTime', value: 31 });
    const event = activationEvent(record, 'invoker3', 'uuid', 5);
    expect(readEvent(JSON.stringify(event))).toMatchObject({
      source: 'invoker3',
      eventType: 'Activation',
      userId: 'uuid',
      body: {
        name: 'guest/classify',
        kind: 'nodejs:20',
        duration: 58,
        waitTime: 78,
        initTime: 31,
        memory: 256,
        conductor: false,
        size: 15,
      },
    });
    expect(activationEvent({ ...record, annotations: [] }, 'invoker3', 'uuid', 5)).toBeUndefined();
  });
});
