import { wrongAnnotations } from '../../../common/src/openwhisk/tetris-annotations';

const digest = 'a'.repeat(64);

describe('wrongAnnotations', () => {
  it.each([
    ['tetris-slo', 300],
    ['tetris-slo', '300'],
    ['tetris-concurrency', 4],
    ['tetris-batching', 8],
    ['tetris-batching', false],
    ['tetris-batching', 'true'],
    ['tetris-padding', true],
    ['tetris-priority', -3],
    ['tetris-retry', 'true'],
    ['tetris-deadline', '2000'],
    ['tetris-profile', `${digest}-12`],
    ['raw-http', { any: 'thing' }],
  ])('takes %s %p', (key, value) => {
    expect(wrongAnnotations([{ key, value }], 'nodejs:tetris')).toEqual([]);
  });

  it.each([
    ['tetris-slo', 0, 'takes a latency objective in whole ms from 1; got 0'],
    ['tetris-slo', -5, 'got -5'],
    ['tetris-slo', 'fast', 'got "fast"'],
    ['tetris-slo', null, 'got null'],
    ['tetris-concurrency', 1.5, 'takes a whole number from 1; got 1.5'],
    ['tetris-batching', 'big', 'takes a batch size from 1, true or false; got "big"'],
    ['tetris-padding', 1, 'takes true or false; got 1'],
    ['tetris-priority', 'high', 'takes a whole number; got "high"'],
    ['tetris-deadline', 0, 'takes whole ms from 1 after the start; got 0'],
    ['tetris-batching', '8 or so', 'got "8 or so"'],
    ['tetris-profile', digest, 'joined by a dash'],
  ])('bad call: names %s %p and says what it takes', (key, value, text) => {
    expect(wrongAnnotations([{ key, value }], 'nodejs:tetris')).toEqual([expect.stringContaining(text)]);
    expect(wrongAnnotations([{ key, value }], 'nodejs:tetris')).toEqual([
      expect.stringContaining(`annotation '${key}'`),
    ]);
  });

  it.each([
    ['tetris-sol', 'tetris-slo'],
    ['tetris-batch', 'tetris-batching'],
    ['tetris-Concurency', 'tetris-concurrency'],
  ])('bad call: there is no %s; the nearest name is %s', (key, meant) => {
    const text = `there is no annotation '${key}'; did you mean '${meant}'?`;
    for (const kind of ['nodejs:tetris', 'nodejs:20']) {
      expect(wrongAnnotations([{ key, value: 1 }], kind)).toEqual([text]);
    }
  });

  it('bad call: another kind takes none of them', () => {
    const annotations = [{ key: 'tetris-slo', value: 300 }];
    const text = "annotation 'tetris-slo' is for actions of kind 'nodejs:tetris'; this is 'nodejs:20'";
    expect(wrongAnnotations(annotations, 'nodejs:20')).toEqual([text]);
    expect(wrongAnnotations([{ key: 'web-export', value: true }], 'sequence')).toEqual([]);
  });
});
