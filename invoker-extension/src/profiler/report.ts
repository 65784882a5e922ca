/** A profile for people: a terminal table, and one self-contained page with charts. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Table from 'cli-table3';
import { choose, costPerformance, isUsable, type UsableEntry } from './choose';
import { type ModelProfile, pointName, type ProfileEntry } from './result';

export interface ReportOptions {
  /** Latency objective, ms; without one nothing is chosen. */
  sloMs?: number;
  /** MB that one core is worth. */
  alpha: number;
}

const BYTES_PER_MB = 1024 ** 2;
const megabytes = (bytes: number): number => bytes / BYTES_PER_MB;

/** Rows by throughput per MB, best first, the chosen one marked; failed rows at the end with their reasons. */
export function terminalTable(profile: ModelProfile, options: ReportOptions): string {
  const chosen = options.sloMs === undefined ? undefined : choose(profile.entries, options.sloMs, options.alpha);
  const table = new Table({
    head: ['', 'configuration', 'p50 ms', 'p95 ms', 'p99 ms', 'req/s', 'load ms', 'MB', 'req/s per MB', 'source'],
    style: { head: [], border: [] },
  });
  for (const entry of usable(profile)) {
    const { point, measurement: m } = entry;
    table.push([
      entry === chosen ? '*' : '',
      pointName(point),
      ...[m.p50Ms, m.p95Ms, m.p99Ms, m.throughput, m.loadMs, megabytes(m.steadyBytes)].map((value) => value.toFixed(1)),
      worth(entry).toFixed(2),
      entry.source,
    ]);
  }
  const failed = profile.entries.filter((entry) => entry.source === 'failed');
  const lines = failed.map(({ point, reason }) => `not possible: ${pointName(point)}: ${reason}`);
  return [table.toString(), ...lines, verdict(options, chosen)].join('\n');
}

/** The page. Everything is inside: it opens from a mail or a shared folder, without a network. */
export function htmlPage(profile: ModelProfile, options: ReportOptions): string {
  const chosen = options.sloMs === undefined ? undefined : choose(profile.entries, options.sloMs, options.alpha);
  const entries = usable(profile);
  const library = readFileSync(join(dirname(require.resolve('chart.js')), 'chart.umd.min.js'), 'utf8');
  const data = { series: seriesOf(entries), costPerformance: costRows(entries), sloMs: options.sloMs ?? null };
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Profile of ${escape(profile.name)}</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #102027; }
  .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(28rem, 1fr)); gap: 2rem; }
  .chart { height: 20rem; }
  table { border-collapse: collapse; width: 100%; margin-top: 2rem; }
  th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #cfd8dc; white-space: nowrap; }
  th:first-child, td:first-child { text-align: left; }
  tr.chosen { background: #e3f2fd; font-weight: bold; }
  tr.estimated { color: #607d8b; font-style: italic; }
</style>
</head>
<body>
<h1>Profile of ${escape(profile.name)}</h1>
<p>${megabytes(profile.bytes).toFixed(1)} MB model, ${megabytes(profile.tensorBytes).toFixed(1)} MB of tensors shared on each node.
Measured on ${escape(profile.machine.cpu)}, ${profile.machine.cores} cores, Node ${escape(profile.machine.node)}, onnxruntime ${escape(profile.machine.onnxruntime)}.</p>
<p id="verdict"><strong>${escape(verdict(options, chosen))}</strong></p>
<div class="charts">
  <div><h2>Throughput per memory</h2><div class="chart"><canvas id="worth"></canvas></div></div>
  <div><h2>Latency against batch</h2><div class="chart"><canvas id="latency"></canvas></div></div>
  <div><h2>Throughput against memory</h2><div class="chart"><canvas id="throughput"></canvas></div></div>
  <div><h2>Cost of a request, less is better</h2><div class="chart"><canvas id="cost"></canvas></div></div>
</div>
${htmlTable(profile, chosen)}
<script>${library.replaceAll('</script', '<\\/script')}</script>
<script>
const data = ${json};
${CHARTS}
</script>
</body>
</html>
`;
}

function usable(profile: ModelProfile): UsableEntry[] {
  return profile.entries.filter(isUsable).sort((one, other) => worth(other) - worth(one));
}

/** Requests per second per MB of private memory. */
const worth = ({ measurement }: UsableEntry): number => measurement.throughput / megabytes(measurement.steadyBytes);

function verdict({ sloMs }: ReportOptions, chosen: UsableEntry | undefined): string {
  if (sloMs === undefined) return 'No latency objective given: nothing is chosen.';
  if (chosen === undefined) return `No configuration answers within ${sloMs} ms on this machine.`;
  const note = chosen.source === 'estimated' ? ' (estimated, not measured)' : '';
  const { throughput, steadyBytes } = chosen.measurement;
  return `Within ${sloMs} ms: ${pointName(chosen.point)}${note}, ${throughput.toFixed(1)} requests/s in ${megabytes(steadyBytes).toFixed(0)} MB per instance.`;
}

interface Series {
  label: string;
  points: {
    batch: number;
    p50Ms: number;
    p95Ms: number;
    worth: number;
    throughput: number;
    mb: number;
    estimated: boolean;
  }[];
}

/** One line of a chart per configuration but for the batch. */
function seriesOf(entries: readonly UsableEntry[]): Series[] {
  const series = new Map<string, Series>();
  for (const entry of entries) {
    const { variant, cpu, concurrency, threads, batch } = entry.point;
    const label = `${variant} cpu=${cpu} p=${concurrency} t=${threads}`;
    const line = series.get(label) ?? { label, points: [] };
    const { p50Ms, p95Ms, throughput, steadyBytes } = entry.measurement;
    const mb = megabytes(steadyBytes);
    line.points.push({
      batch,
      p50Ms,
      p95Ms,
      throughput,
      mb,
      worth: worth(entry),
      estimated: entry.source === 'estimated',
    });
    series.set(label, line);
  }
  for (const { points } of series.values()) points.sort((one, other) => one.batch - other.batch);
  return [...series.values()];
}

/** Against the smallest configuration: one core's worth, one worker, one request. */
function costRows(entries: readonly UsableEntry[]): { label: string; value: number }[] {
  const size = ({ point: { cpu, concurrency, threads, batch } }: UsableEntry): number =>
    cpu * concurrency * threads * batch;
  const base = [...entries].sort((one, other) => size(one) - size(other))[0];
  if (base === undefined) return [];
  const rows = entries.map((entry) => ({ label: pointName(entry.point), value: costPerformance(entry, base) }));
  return [
    { label: `${pointName(base.point)} (base)`, value: 1 },
    ...rows.filter(({ label }) => label !== pointName(base.point)),
  ];
}

function htmlTable(profile: ModelProfile, chosen: UsableEntry | undefined): string {
  const heads = [
    'configuration',
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'requests/s',
    'load ms',
    'MB',
    'peak MB',
    'requests/s per MB',
    'source',
  ];
  const row = (entry: UsableEntry): string => {
    const m = entry.measurement;
    const figures = [
      m.p50Ms,
      m.p95Ms,
      m.p99Ms,
      m.throughput,
      m.loadMs,
      megabytes(m.steadyBytes),
      megabytes(m.peakBytes),
    ];
    const cells = [
      pointName(entry.point),
      ...figures.map((value) => value.toFixed(1)),
      worth(entry).toFixed(2),
      entry.source,
    ];
    return `<tr class="${entry.source}${entry === chosen ? ' chosen' : ''}">${cells.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`;
  };
  const failed = profile.entries.filter(
    (entry): entry is Extract<ProfileEntry, { source: 'failed' }> => entry.source === 'failed',
  );
  const reasons = failed.map(({ point, reason }) => `<li>${escape(pointName(point))}: ${escape(reason)}</li>`);
  return `<table id="rows"><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead>
<tbody>${usable(profile).map(row).join('\n')}</tbody></table>
${reasons.length === 0 ? '' : `<h2>Not possible</h2><ul>${reasons.join('')}</ul>`}`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? '');

/** Runs in the page. */
const CHARTS = `
const colors = ['#1e88e5', '#e53935', '#43a047', '#fb8c00', '#8e24aa', '#00897b', '#6d4c41', '#546e7a'];
const lines = (x, y) => data.series.map(({ label, points }, at) => ({
  label, borderColor: colors[at % colors.length], backgroundColor: colors[at % colors.length], tension: 0.2,
  pointStyle: points.map((point) => (point.estimated ? 'crossRot' : 'circle')),
  data: points.map((point) => ({ x: point[x], y: point[y] })),
}));
const axes = (x, y) => ({ x: { type: 'linear', title: { display: true, text: x } }, y: { beginAtZero: true, title: { display: true, text: y } } });
const common = { animation: false, maintainAspectRatio: false, plugins: { legend: { labels: { boxWidth: 12 } } } };
const slo = data.sloMs === null ? [] : [{ label: 'objective', borderColor: '#000', borderDash: [6, 4], pointRadius: 0,
  data: [...new Set(data.series.flatMap(({ points }) => points.map(({ batch }) => batch)))].sort((a, b) => a - b).map((x) => ({ x, y: data.sloMs })) }];
new Chart('worth', { type: 'line', data: { datasets: lines('batch', 'worth') }, options: { ...common, scales: axes('batch', 'requests/s per MB') } });
new Chart('latency', { type: 'line', data: { datasets: [...lines('batch', 'p95Ms'), ...slo] }, options: { ...common, scales: axes('batch', 'p95 ms') } });
new Chart('throughput', { type: 'scatter', data: { datasets: lines('mb', 'throughput') }, options: { ...common, scales: axes('MB per instance', 'requests/s') } });
new Chart('cost', { type: 'bar', data: { labels: data.costPerformance.map(({ label }) => label), datasets: [{ label: 'memory x time per request', backgroundColor: '#1e88e5', data: data.costPerformance.map(({ value }) => value) }] },
  options: { ...common, indexAxis: 'y', plugins: { legend: { display: false } } } });
`;
