/** The dashboard and the alert rules ask for metrics that there are, by labels that these have. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addProcessMetrics } from '@tetris/common/metrics';
import { type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import { declareEveryMetric } from '../../support/every-metric';

const FOLDER = join(__dirname, '../../../docs/monitoring');
/** Labels that Prometheus adds itself. */
const SCRAPED = ['instance', 'job', 'le'];

/** Labels of each metric, by name. */
const labels = new Map<string, readonly string[]>();
const registry = new Registry();
declareEveryMetric(registry);
for (const component of ['invoker', 'balancer', 'daemon']) {
  addProcessMetrics(registry, component, component === 'daemon' ? { onnxruntime: '1', cpu: '1' } : {});
}
for (const metric of registry.getMetricsAsArray()) {
  const { name, type } = metric as MetricObjectWithValues<MetricValue<string>>;
  const { labelNames = [] } = metric as unknown as { labelNames?: string[] };
  const names = String(type) === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
  for (const each of names) labels.set(each, labelNames);
}

interface Dashboard {
  panels: { title: string; targets: { expr: string; legendFormat: string }[] }[];
}
const dashboard = JSON.parse(readFileSync(join(FOLDER, 'dashboard.json'), 'utf8')) as Dashboard;
const alerts = readFileSync(join(FOLDER, 'alerts.yml'), 'utf8');
const queries = [
  ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
  ...[...alerts.matchAll(/- alert: (\w+)\n\s+expr: (?:\|\n((?:\s{10,}.*\n)+)|(.*))/g)].map(
    ([, name = '', block, line]) => [name, block ?? line ?? ''] as const,
  ),
];

describe('docs/monitoring', () => {
  it('has a panel or an alert for what is asked first', () => {
    expect(dashboard.panels.length).toBeGreaterThan(10);
    expect(queries.length).toBeGreaterThan(dashboard.panels.length + 7);
  });

  it.each(queries)('%s asks for metrics that exist: %s', (_name, query) => {
    const metrics = [...query.matchAll(/\btetris_\w+/g)].map(([name]) => name);
    expect(metrics.length).toBeGreaterThan(0);
    expect(metrics.filter((name) => !labels.has(name))).toEqual([]);
    const known = new Set([...metrics.flatMap((name) => labels.get(name) ?? []), ...SCRAPED]);
    const used = [...query.matchAll(/\b(?:by|on) \(([^)]*)\)|\{(\w+)(?:!?=)/g)].flatMap(([, group, matched]) =>
      (group ?? matched ?? '').split(',').map((label) => label.trim()),
    );
    expect(used.filter((label) => !known.has(label))).toEqual([]);
  });

  it('says of each alert what to do', () => {
    const named = alerts.match(/- alert: /g)?.length;
    expect(alerts.match(/^ +summary: \S/gm)).toHaveLength(named ?? 0);
    expect(alerts.match(/^ +action: \S/gm)).toHaveLength(named ?? 0);
  });
});
