import { checkAnnotations } from '../../../standalone/src/controller/annotations';

const digest = 'a'.repeat(64);

describe('checkAnnotations', () => {
  it.each([
    ['tetris-slo', 300],
    ['tetris-slo', '300'],
    ['tetris-concurrency', 4],
    ['tetris-batching', 8],
    ['tetris-batching', false],
    ['tetris-batching', 'true'],
    ['tetris-padding', true],
    ['tetris-profile', `${digest}-12`],
    ['raw-http', { any: 'thing' }],
  ])('takes %s %p', (key, value) => {
    expect(() => checkAnnotations([{ key, value }])).not.toThrow();
  });

  it.each([
    ['tetris-slo', 0, 'takes a latency objective in whole ms from 1; got 0'],
    ['tetris-slo', -5, 'got -5'],
    ['tetris-slo', 'fast', 'got "fast"'],
    ['tetris-slo', null, 'got null'],
    ['tetris-concurrency', 1.5, 'takes a whole number from 1; got 1.5'],
    ['tetris-batching', 'big', 'takes a batch size from 1, true or false; got "big"'],
    ['tetris-padding', 1, 'takes true or false; got 1'],
    ['tetris-profile', digest, 'joined by a dash'],
  ])('bad call: refuses %s %p and says what it takes', (key, value, text) => {
    const check = (): void => checkAnnotations([{ key, value }]);
    expect(check).toThrow(text);
    expect(check).toThrow(`annotation '${key}'`);
  });
});
