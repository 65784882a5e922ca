/**
 * A profile as one self-contained page. Everything is inside: it opens from a mail or a shared folder, without a
 * network.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  costPerformance,
  GRAPH_VARIANTS,
  type ModelProfile,
  pointName,
  type UsableEntry,
} from '@tetris/invoker-extension';
import { PAGE_CHARTS, PAGE_STYLE } from './page-parts';
import {
  chosenOf,
  failures,
  int8Lines,
  limitText,
  megabytes,
  type ReportOptions,
  size,
  subjectLines,
  usable,
  variantRows,
  verdict,
  worth,
} from './summary';

export function htmlPage(profile: ModelProfile, options: ReportOptions): string {
  const chosen = chosenOf(profile, options);
  const entries = usable(profile);
  const library = readFileSync(join(dirname(require.resolve('chart.js')), 'chart.umd.min.js'), 'utf8');
  const data = {
    series: seriesOf(entries, chosen),
    costPerformance: costRows(entries, chosen),
    sloMs: options.sloMs ?? null,
  };
  const json = JSON.stringify(data).replaceAll('<', '\\u003c');
  const title = `Profile of ${escape(basename(profile.name))}`;
  const body = [
    `<h1>${title}</h1>`,
    ...subjectLines(profile).map((line) => `<p class="subject">${escape(line)}</p>`),
    `<p id="verdict"><strong>${escape(verdict(profile, options))}</strong></p>`,
    entries.length === 0 ? '' : charts(data.series.length),
    variantTable(profile),
    int8Section(profile),
    entries.length === 0 ? '' : configurationTable(entries, chosen),
    failureList(profile),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
${body.filter((part) => part !== '').join('\n')}
<script>${library.replaceAll('</script', '<\\/script')}</script>
<script>
const data = ${json};
${entries.length === 0 ? '' : PAGE_CHARTS}
</script>
</body>
</html>
`;
}

const chart = (id: string, title: string, text: string): string =>
  `<figure><h2>${title}</h2><div class="chart"><canvas id="${id}" role="img" aria-label="${title}"></canvas></div><figcaption>${text}</figcaption></figure>`;

/** Higher with each line: the legend takes its room from the plot. */
const charts = (lines: number): string => `<div class="charts" style="--chart: ${20 + lines * 0.7}rem">
${chart('worth', 'Throughput per memory', 'Requests per second for each MB of an instance; more is better.')}
${chart('latency', 'Latency against batch', '95th percentile of a batch while every worker is busy.')}
${chart('throughput', 'Throughput against memory', 'Every configuration; up and to the left is better.')}
${chart('cost', 'Cost of a request', 'Memory x time per request, against the smallest configuration; less is better.')}
</div>
<p class="legend">Hollow marks are estimates; the ring marks the chosen configuration. p workers, t threads of each, b requests in a batch. Limit: the least memory limit tried in which a configuration runs.</p>`;

function configurationTable(entries: readonly UsableEntry[], chosen: UsableEntry | undefined): string {
  const heads = [
    'graph',
    'cpu',
    'p',
    't',
    'b',
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'requests/s',
    'load ms',
    'MB',
    'peak MB',
    'limit MB',
  ];
  const row = (entry: UsableEntry): string => {
    const { point, measurement: m, source } = entry;
    const figures = [m.p50Ms, m.p95Ms, m.p99Ms, m.throughput, m.loadMs];
    const sizes = [m.steadyBytes, m.peakBytes].map(megabytes);
    const cells = [
      ...[point.variant, point.cpu, point.concurrency, point.threads, point.batch].map(String),
      ...[...figures, ...sizes].map((value) => value.toFixed(1)),
      limitText(m),
      worth(entry).toFixed(2),
      source,
    ];
    const classes = [source, ...(entry === chosen ? ['chosen'] : [])].join(' ');
    return `<tr class="${classes}">${cells.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`;
  };
  return table('rows', 'All configurations', [...heads, 'requests/s per MB', 'source'], entries.map(row));
}

function variantTable(profile: ModelProfile): string {
  const rows = variantRows(profile);
  const [first] = rows;
  if (first === undefined) return '';
  const { cpu, concurrency, threads, batch } = first.entry.point;
  const heads = ['graph', 'p50 ms', 'p95 ms', 'requests/s', 'load ms', 'first load ms', 'own MB', 'shared MB'];
  const lines = rows.map(({ variant, entry: { measurement: m }, sharedBytes = NaN, firstLoadMs = NaN }) => {
    const own = megabytes(m.steadyBytes);
    const figures = [m.p50Ms, m.p95Ms, m.throughput, m.loadMs, firstLoadMs, own, megabytes(sharedBytes)];
    const cells = [variant, ...figures.map((each) => (Number.isNaN(each) ? '' : each.toFixed(1)))];
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const shape = `cpu=${cpu} p=${concurrency} t=${threads} b=${batch}`;
  return table('variants', `Graph variants side by side (${shape})`, heads, lines);
}

function int8Section(profile: ModelProfile): string {
  const lines = int8Lines(profile);
  if (lines.length === 0) return '';
  return `<div id="int8">${lines.map((line) => `<p>${escape(line)}</p>`).join('')}</div>`;
}

function failureList(profile: ModelProfile): string {
  const items = failures(profile).map(
    ({ reason, points }) => `<li>${escape(reason)}<br><small>${points.map(escape).join(', ')}</small></li>`,
  );
  return items.length === 0 ? '' : `<h2>Not possible</h2><ul id="failures">${items.join('')}</ul>`;
}

const table = (id: string, title: string, heads: readonly string[], rows: readonly string[]): string =>
  `<h2>${title}</h2><div class="wide"><table id="${id}"><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`;

interface SeriesPoint {
  batch: number;
  p95Ms: number;
  worth: number;
  throughput: number;
  mb: number;
  estimated: boolean;
  chosen: boolean;
}

/** One line of a chart per configuration but for the batch. */
function seriesOf(
  entries: readonly UsableEntry[],
  chosen: UsableEntry | undefined,
): { label: string; points: SeriesPoint[] }[] {
  const series = new Map<string, SeriesPoint[]>();
  for (const entry of entries) {
    const { variant, cpu, concurrency, threads, batch } = entry.point;
    const label = `${variant} cpu=${cpu} p=${concurrency} t=${threads}`;
    const { p95Ms, throughput, steadyBytes } = entry.measurement;
    const point = {
      ...{ batch, p95Ms, throughput, mb: megabytes(steadyBytes), worth: worth(entry) },
      ...{ estimated: entry.source === 'estimated', chosen: entry === chosen },
    };
    series.set(label, [...(series.get(label) ?? []), point]);
  }
  return [...series]
    .map(([label, points]) => ({ label, points: points.sort((one, other) => one.batch - other.batch) }))
    .sort((one, other) => (one.label < other.label ? -1 : 1));
}

/** Configurations in the chart of costs; more would be unreadable. The table has all. */
const COST_ROWS_MAX = 16;

/** Against the smallest configuration of the plainest graph: one worker, one request. The base and the best. */
function costRows(
  entries: readonly UsableEntry[],
  chosen: UsableEntry | undefined,
): { label: string; value: number; chosen: boolean }[] {
  const plainness = ({ point }: UsableEntry): number => GRAPH_VARIANTS.indexOf(point.variant);
  const [base] = [...entries].sort((one, other) => size(one) - size(other) || plainness(one) - plainness(other));
  if (base === undefined) return [];
  const rows = entries
    .map((entry) => ({
      label: `${pointName(entry.point)}${entry === base ? ' (base)' : ''}`,
      value: costPerformance(entry, base),
      kept: entry === base || entry === chosen,
      chosen: entry === chosen,
    }))
    .sort((one, other) => one.value - other.value);
  return rows.filter(({ kept }, at) => kept || at < COST_ROWS_MAX - 2);
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? '');
