import { invokerInstanceId } from '@tetris/common';
import { readReceivedAck } from '../../../load-balancer/src/dispatch/received-ack';
import { spliceTopLevel } from '../../../load-balancer/src/relay/splice';
import { translateAck, translateShrunkAck } from '../../../load-balancer/src/relay/translate';
import { randomFrom, testSeed } from '../../support/random';

const OURS = invokerInstanceId(7, 1024);
const OURS_TEXT = '{"instance":7,"userMemory":"1024 B","instanceType":"invoker","tags":[],"dedicatedNamespaces":[]}';
const ID = '4d0f8a1c2b3e4956a7c8d9e0f1a2b3c4';
const ACTIVATION = `{"namespace":"guest","name":"classify","subject":"guest","activationId":"${ID}","start":1767225600201,"end":1767225600259,"response":{"statusCode":0,"result":{"ratio":1.0,"huge":12345678901234567890,"small":1e-7,"text":"a \\"}, {\\"instance\\":1 \\u0041","empty":{}},"size":15},"logs":[],"version":"0.0.3","publish":false,"annotations":[]}`;

/** Forms of OpenWhisk 1.0 (no tags) and 2.x, odd spacing, unknown fields, and the same keys in deeper places. */
const FIXTURES = {
  'combined, 2.x': {
    text: `{"transid":["Zt4v",1767225600123],"response":${ACTIVATION},"isSystemError":false,"instance":{"instance":3,"userMemory":"17179869184 B","instanceType":"invoker","tags":["gpu"],"dedicatedNamespaces":[],"uniqueName":"node3"}}`,
    type: 'combined',
    translated: `{"transid":["Zt4v",1767225600123],"response":${ACTIVATION},"isSystemError":false,"instance":${OURS_TEXT}}`,
    shrunk: `{"transid":["Zt4v",1767225600123],"response":"${ID}","isSystemError":false,"instance":${OURS_TEXT}}`,
  },
  'combined and shrunk, 1.0': {
    text: `{"transid":["sid_x",1.0,true,["p",2]],"response":"${ID}","isSystemError":false,"instance":{"instance":3,"userMemory":"256 MB","instanceType":"invoker"}}`,
    type: 'combined',
    translated: `{"transid":["sid_x",1.0,true,["p",2]],"response":"${ID}","isSystemError":false,"instance":${OURS_TEXT}}`,
    shrunk: `{"transid":["sid_x",1.0,true,["p",2]],"response":"${ID}","isSystemError":false,"instance":${OURS_TEXT}}`,
  },
  'completion with unknown fields and blanks': {
    text: `{ "instance" : { "instance" : 3, "userMemory":"1 B", "instanceType":"invoker" } ,\n "activationId" : "${ID}", "future": [1.50, {"instance": null}], "transid": ["a", 1] }`,
    type: 'completion',
    translated: `{ "instance" : ${OURS_TEXT} ,\n "activationId" : "${ID}", "future": [1.50, {"instance": null}], "transid": ["a", 1] }`,
    shrunk: `{ "instance" : ${OURS_TEXT} ,\n "activationId" : "${ID}", "future": [1.50, {"instance": null}], "transid": ["a", 1] }`,
  },
  result: {
    text: `{"transid":["a",1],"response":${ACTIVATION}}`,
    type: 'result',
    translated: `{"transid":["a",1],"response":${ACTIVATION}}`,
    shrunk: `{"transid":["a",1],"response":"${ID}"}`,
  },
  'result whose instance is null': {
    text: `{"transid":["a",1],"instance":null,"response":${ACTIVATION}}`,
    type: 'result',
    translated: `{"transid":["a",1],"instance":null,"response":${ACTIVATION}}`,
    shrunk: `{"transid":["a",1],"instance":null,"response":"${ID}"}`,
  },
};

describe('a received ack', () => {
  const combined = (isSystemError: boolean | undefined): Buffer => {
    const response = { activationId: ID, response: { statusCode: 3, result: { error: 'full' } } };
    return Buffer.from(JSON.stringify({ transid: ['a', 1], response, isSystemError, instance: OURS }));
  };

  it('speaks against its invoker as far as that says so itself, and where it says nothing by the status', () => {
    const read = [true, false, undefined].map((says) => readReceivedAck(combined(says)).isSystemError);
    expect(read).toEqual([true, false, true]);
  });
});

describe('ack translation', () => {
  it.each(Object.entries(FIXTURES))('changes nothing but the instance of a %s ack', (_, { text, type, translated }) => {
    const ack = readReceivedAck(Buffer.from(text));
    expect(ack).toMatchObject({ type, activationId: ID });
    expect(translateAck(ack, OURS)).toBe(translated);
  });

  it.each(Object.entries(FIXTURES))('puts the id in the place of the activation to shrink a %s ack', (_, fixture) => {
    expect(translateShrunkAck(readReceivedAck(Buffer.from(fixture.text)), OURS)).toBe(fixture.shrunk);
  });

  it('says that the invoker has failed in health tests only', () => {
    const ack = readReceivedAck(Buffer.from(FIXTURES['combined, 2.x'].text.replace('Error":false', 'Error":true')));
    for (const healthTest of [false, true]) {
      for (const written of [translateAck(ack, OURS, healthTest), translateShrunkAck(ack, OURS, healthTest)]) {
        expect(JSON.parse(written)).toMatchObject({ isSystemError: healthTest });
      }
    }
  });

  it('keeps characters of every width', () => {
    const text = `{"transid":["a",1],"activationId":"${ID}","note":"ä€😀\\ud83d","instance":{"instance":1}}`;
    expect(translateAck(readReceivedAck(Buffer.from(text)), OURS)).toBe(text.replace('{"instance":1}', OURS_TEXT));
  });

  it('takes the error flag, or status 3, for a system error', () => {
    const flagged = readReceivedAck(Buffer.from(FIXTURES.result.text.replace('"statusCode":0', '"statusCode":3')));
    expect(flagged.isSystemError).toBe(true);
    const plain = FIXTURES['combined, 2.x'].text;
    expect(readReceivedAck(Buffer.from(plain)).isSystemError).toBe(false);
    expect(readReceivedAck(Buffer.from(plain.replace('Error":false', 'Error":true'))).isSystemError).toBe(true);
  });

  it.each([
    ['not JSON', '{"transid":'],
    ['an empty message', ''],
    ['not an object', '[1]'],
    ['null', 'null'],
    ['no transid', `{"activationId":"${ID}","instance":{}}`],
    ['neither key', `{"transid":["a",1],"activationId":"${ID}"}`],
    ['no id', '{"transid":["a",1],"instance":{}}'],
    ['an id of another form', '{"transid":["a",1],"instance":{},"activationId":"../../etc"}'],
    ['a response of another type', '{"transid":["a",1],"response":17}'],
  ])('bad call: refuses %s', (_, text) => {
    expect(() => readReceivedAck(Buffer.from(text))).toThrow(expect.objectContaining({ code: 'ERR_MESSAGE_INVALID' }));
  });
});

describe('spliceTopLevel', () => {
  /** Random JSON objects, written with random blanks. */
  it('equals parsing, replacing and writing, for random objects', () => {
    const seed = testSeed();
    const random = randomFrom(seed);
    const strings = ['', '"', '\\', '\\"', '{}', '[,]:', 'instance', '"instance":1', '\u0000', '😀', 'a b'];
    const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
    const value = (depth: number): unknown => {
      const kind = random(depth > 3 ? 5 : 7);
      if (kind === 0) return pick(strings);
      if (kind === 1) return random(1000) - 500.5;
      if (kind < 5) return pick([true, false, null]);
      const items = Array.from({ length: random(4) }, () => [pick(strings), value(depth + 1)] as const);
      return kind === 5 ? items.map(([, item]) => item) : Object.fromEntries(items);
    };
    for (let round = 0; round < 2_000; round += 1) {
      const object = Object.fromEntries(Array.from({ length: random(6) }, () => [pick(strings), value(0)]));
      const text = JSON.stringify(object, undefined, pick([undefined, 1, '\t']));
      const replaced = 'instance' in object ? { ...object, instance: { n: 1 } } : object;
      try {
        expect(JSON.parse(spliceTopLevel(text, { instance: '{"n":1}' }))).toEqual(replaced);
      } catch (error) {
        throw new Error(`seed ${seed}, round ${round}: ${text}`, { cause: error });
      }
    }
  });
});
