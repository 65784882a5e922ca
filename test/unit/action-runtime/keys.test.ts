import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describeConfig, readConfig } from '@tetris/common';
import { readRuntimeConfig, runtimeConfig, START_ENVIRONMENT } from '@tetris/action-runtime';

describe('the runtime configuration', () => {
  it('reads the same defaults as its schema', () => {
    expect(readRuntimeConfig({})).toEqual(readConfig(runtimeConfig, {}));
  });

  it('reads the same values as its schema', () => {
    const env = {
      TETRIS_RUNTIME_LISTEN: '/tmp/a.sock',
      TETRIS_RUNTIME_MODEL_ROOTS: '/models, /more',
      TETRIS_RUNTIME_LOG_TAGS: 'yes',
      TETRIS_RUNTIME_BODY_BYTES_MAX: '2m',
      TETRIS_RUNTIME_QUEUE_MAX: '7',
      TETRIS_RUNTIME_VIEWS: '',
      OTHER: 'x',
    };
    expect(readRuntimeConfig(env)).toEqual(readConfig(runtimeConfig, env));
    expect(readRuntimeConfig(env)).toMatchObject({ modelRoots: ['/models', '/more'], logTags: true, queueMax: 7 });
  });

  it('bad call: lists every bad value and unknown variable', () => {
    const env = { TETRIS_RUNTIME_QUEUE_MAX: 'many', TETRIS_RUNTIME_LOG_TAGS: 'perhaps', TETRIS_RUNTIME_LISTENS: '1' };
    expect(() => readRuntimeConfig(env)).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG_INVALID',
        message: expect.stringMatching(/LOG_TAGS.*perhaps[^]*QUEUE_MAX.*many[^]*LISTENS: no such key/),
      }),
    );
  });

  it('has a unit and a text for every key', () => {
    for (const { unit, text } of describeConfig(runtimeConfig)) expect([unit, text]).not.toContain('');
  });
});

it('the image has a Node that the runtime is tested with', () => {
  const dockerfile = readFileSync(path.join(__dirname, '../../../action-runtime/Dockerfile'), 'utf8');
  const nodes = readFileSync(path.join(__dirname, '../../../bench/nodes/package.json'), 'utf8');
  const [, major] = /BASE_IMAGE=node:(\d+)-/.exec(dockerfile) ?? [];
  expect(nodes).toContain(`"node-${major}-linux-x64"`);
});

it('the image sets the environment that process containers get', () => {
  const dockerfile = readFileSync(path.join(__dirname, '../../../action-runtime/Dockerfile'), 'utf8');
  for (const [name, value] of Object.entries(START_ENVIRONMENT)) expect(dockerfile).toContain(`${name}=${value}`);
  expect(dockerfile).toContain(
    'CMD ["node", "--expose-gc", "/opt/tetris/node_modules/@tetris/action-runtime/dist/bundle/main.js"]',
  );
});
