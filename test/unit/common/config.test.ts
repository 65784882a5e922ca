import { configSchema, describeConfig, environmentName, key, readConfig } from '@tetris/common';

const SCHEMA = configSchema('sample', {
  socketPath: key.text('/run/x', 'path', 'Where it listens.'),
  poolBytesMax: key.bytes('512m', 'Largest pool.'),
  retries: key.integer(3, 'count', 'Attempts.', { min: 1, max: 10 }),
  share: key.number(0.5, 'ratio', 'Share.', { max: 1 }),
  verbose: key.flag(false, 'Say more.'),
  roots: key.list([], 'paths', 'Folders.'),
  keys: key.list([], 'name=secret', 'Keys.', (item) => (item.includes('=') ? undefined : `'${item}' is no key`)),
  cacheBytesMax: key.bytes('1g', 'Largest cache.', { min: '64m' }),
  level: key.oneOf(['low', 'high'], 'low', 'How much.'),
});

const problemsOf = (env: Record<string, string>): string => {
  try {
    readConfig(SCHEMA, env);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('readConfig', () => {
  it('names variables after component and key', () => {
    expect(environmentName('sample', 'poolBytesMax')).toBe('TETRIS_SAMPLE_POOL_BYTES_MAX');
  });

  it('has a default for everything, and is frozen', () => {
    const config = readConfig(SCHEMA, {});
    expect(config).toEqual({
      socketPath: '/run/x',
      poolBytesMax: 536870912,
      cacheBytesMax: 1073741824,
      keys: [],
      retries: 3,
      share: 0.5,
      verbose: false,
      roots: [],
      level: 'low',
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('reads every type from text', () => {
    const env = {
      TETRIS_SAMPLE_SOCKET_PATH: '/tmp/s',
      TETRIS_SAMPLE_POOL_BYTES_MAX: '4g',
      TETRIS_SAMPLE_RETRIES: '7',
      TETRIS_SAMPLE_SHARE: '0.25',
      TETRIS_SAMPLE_VERBOSE: 'yes',
      TETRIS_SAMPLE_ROOTS: ' /a, /b,,',
      TETRIS_SAMPLE_LEVEL: 'high',
      TETRIS_SAMPLE_KEYS: 'a=1',
      TETRIS_SAMPLE_CACHE_BYTES_MAX: '64m',
    };
    expect(readConfig(SCHEMA, env)).toEqual({
      socketPath: '/tmp/s',
      poolBytesMax: 4294967296,
      cacheBytesMax: 67108864,
      keys: ['a=1'],
      retries: 7,
      share: 0.25,
      verbose: true,
      roots: ['/a', '/b'],
      level: 'high',
    });
  });

  it('takes the empty string for unset, and false for false', () => {
    expect(readConfig(SCHEMA, { TETRIS_SAMPLE_RETRIES: '', TETRIS_SAMPLE_VERBOSE: 'false' })).toMatchObject({
      retries: 3,
      verbose: false,
    });
  });

  it('bad call: shows what was given, and names the flag that it came from', () => {
    const env = { TETRIS_SAMPLE_SHARE: 'half' };
    const overrides = { retries: 'x', poolBytesMax: 'lots' };
    const read = (): unknown => readConfig(SCHEMA, env, overrides, { retries: '--retries', share: '--share' });
    expect(read).toThrow(/\n {2}--retries: .*; got 'x'(\n|$)/);
    // Not by its flag: the variable was set.
    expect(read).toThrow(/\n {2}TETRIS_SAMPLE_SHARE: .*; got 'half'(\n|$)/);
    expect(read).toThrow(/\n {2}TETRIS_SAMPLE_POOL_BYTES_MAX: takes a size such as 512m or 4g; got 'lots'(\n|$)/);
  });

  it.each([
    ['RETRIES', '11', "takes a whole number from 1 to 10; got '11'"],
    ['RETRIES', '1.5', "takes a whole number from 1 to 10; got '1.5'"],
    ['RETRIES', 'x', "takes a whole number from 1 to 10; got 'x'"],
    ['SHARE', '-1', "takes a number from 0 to 1; got '-1'"],
    ['VERBOSE', 'perhaps', "takes true or false; got 'perhaps'"],
    ['LEVEL', 'middle', "takes low, high; got 'middle'"],
    ['CACHE_BYTES_MAX', '1k', "takes a size such as 512m or 4g, at least 64m; got '1k'"],
    ['KEYS', 'a=secret,b', "'b' is no key"],
  ])('bad call: says what %s takes when it is %s', (name, value, text) => {
    expect(problemsOf({ [`TETRIS_SAMPLE_${name}`]: value })).toBe(
      `configuration of sample is invalid:\n  TETRIS_SAMPLE_${name}: ${text}`,
    );
  });

  it('lets overrides win', () => {
    expect(readConfig(SCHEMA, { TETRIS_SAMPLE_RETRIES: '7' }, { retries: 2, level: undefined })).toMatchObject({
      retries: 2,
      level: 'low',
    });
  });

  it('bad call: lists every problem by its variable, and every unknown one with its prefix', () => {
    const text = problemsOf({
      TETRIS_SAMPLE_RETRIES: '11',
      TETRIS_SAMPLE_POOL_BYTES_MAX: 'lots',
      TETRIS_SAMPLE_RETRY: '1',
      TETRIS_OTHER_X: '1',
    });
    expect(text).toMatch(/TETRIS_SAMPLE_RETRIES: /);
    expect(text).toMatch(/TETRIS_SAMPLE_POOL_BYTES_MAX: .*'lots'/);
    expect(text).toMatch(/TETRIS_SAMPLE_RETRY: no such key/);
    expect(text).not.toMatch(/OTHER/);
  });

  it('describes every key for the reference', () => {
    const rows = describeConfig(SCHEMA);
    expect(rows).toHaveLength(9);
    expect(rows.find(({ variable }) => variable === 'TETRIS_SAMPLE_RETRIES')).toEqual({
      variable: 'TETRIS_SAMPLE_RETRIES',
      unit: 'count',
      text: 'Attempts.',
      fallback: '3',
    });
    expect(rows.every(({ unit, text }) => unit !== '' && text !== '')).toBe(true);
  });
});
