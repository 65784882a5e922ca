/** `docs/metrics.md` lists what the components declare: no more, no less, with kinds and labels. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import { DECLARE } from '../../support/every-metric';

type Declared = MetricObjectWithValues<MetricValue<string>>;

const page = readFileSync(join(__dirname, '../../../docs/metrics.md'), 'utf8');
const listed = [...page.matchAll(/^\| `(tetris_\w+)` +\| (\w+) +\| ([^|]*?) *\| (.+?) *\|$/gm)].map(
  ([, name = '', kind = '', labels = '']) => `${name} ${kind} ${labels.replaceAll(/[`,]/g, '')}`.trim(),
);

const COMPONENTS = Object.entries(DECLARE);

describe('docs/metrics.md', () => {
  it.each(COMPONENTS)('lists every metric of the %s with its kind and labels', (component, declare) => {
    const registry = new Registry();
    declare(registry);
    const declared = registry.getMetricsAsArray().map((metric) => {
      const { name, type } = metric as Declared;
      const { labelNames = [] } = metric as unknown as { labelNames?: string[] };
      return [name, String(type), ...labelNames].join(' ');
    });
    expect(declared.length).toBeGreaterThan(5);
    expect(listed.filter((line) => line.startsWith(`tetris_${component}_`)).sort()).toEqual(declared.sort());
  });
});
