/**
 * What `docs/compatibility.md` promises can be looked up; whether its tests pass is for the reporter of all runs to
 * say.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConfigSchema, environmentName } from '@tetris/common';
import { invokerConfig } from '@tetris/invoker-extension';
import { balancerConfig } from '@tetris/load-balancer';
import { STANDALONE_CONFIG } from '@tetris/standalone';
import { DAEMON_CONFIG } from '@tetris/tensor-daemon';

const ROOT = join(__dirname, '../../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const compatibility = read('docs/compatibility.md');

const POINTS = 10;

describe.each(['docs/compatibility.md', 'docs/compatibility-fpc.md'])('%s', (page) => {
  const document = read(page);

  it('names at least one test for each point of the checklist', () => {
    const points = document.split(/^\d+\. \*\*/m).slice(1);
    expect(points).toHaveLength(POINTS);
    expect(points.filter((point) => !/`test\/.+`: "/.test(point))).toEqual([]);
    expect(document.match(/`test\/[\w./-]+\.test\.ts`: "[^"]+"/g)?.length).toBeGreaterThan(POINTS);
  });

  it('names configuration keys that exist', () => {
    const schemas: ConfigSchema[] = [DAEMON_CONFIG, invokerConfig, balancerConfig, STANDALONE_CONFIG];
    const known = new Set(
      schemas.flatMap(({ component, schema }) =>
        Object.keys(schema.shape).map((name) => environmentName(component, name)),
      ),
    );
    const keys = [...document.matchAll(/`(TETRIS_[A-Z_]+)`/g)].map(([, name = '']) => name);
    expect(keys.length).toBeGreaterThan(5);
    expect(keys.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('docs/compatibility.md', () => {
  it('names in l2.yml the four SPI classes that this document names', () => {
    const settings = read('ansible/openwhisk/l2.yml');
    const rows = [...compatibility.matchAll(/`(\w+_spi)`\s+\| `([\w.]+)`/g)];
    expect(rows).toHaveLength(4);
    for (const [, variable = '', className = ''] of rows) {
      expect(settings).toMatch(new RegExp(`^${variable}: ['"]?${className.replaceAll('.', '\\.')}['"]?$`, 'm'));
    }
  });
});
