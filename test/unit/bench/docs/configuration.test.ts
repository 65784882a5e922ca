import { configSchema, key } from '@tetris/common';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderConfiguration } from '../../../../bench/src/docs/configuration';

describe('configuration reference', () => {
  it('is up to date: run `npm run docs:config` after a change of a schema', async () => {
    const file = await readFile(join(__dirname, '../../../../docs/configuration.md'), 'utf8');
    expect(renderConfiguration()).toBe(file);
  });

  it('has a section for each component', () => {
    const text = renderConfiguration();
    for (const component of ['daemon', 'runtime', 'invoker', 'balancer', 'standalone']) {
      expect(text).toContain(`(\`${component}\`)`);
    }
  });

  it('has a row for each key, with unit, default and text', () => {
    const schema = configSchema('thing', {
      waitMs: key.integer(5, 'ms', 'How long | why.'),
      names: key.list([], 'names', 'Who.'),
    });
    expect(
      renderConfiguration({ thing: { schema, other: 1 } })
        .split('\n')
        .slice(-5),
    ).toEqual([
      '| variable               | unit          | default | what it does     |',
      '| ---------------------- | ------------- | ------- | ---------------- |',
      '| `TETRIS_THING_WAIT_MS` | ms            | `5`     | How long \\| why. |',
      '| `TETRIS_THING_NAMES`   | list of names |         | Who.             |',
      '',
    ]);
  });
});
