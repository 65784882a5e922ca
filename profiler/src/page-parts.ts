/** The page's style, and the script that draws its charts from `data`. */

export const PAGE_STYLE = `
  :root { --text: #102027; --soft: #546e7a; --line: #cfd8dc; --paper: #ffffff; --chosen: #e3f2fd; }
  @media (prefers-color-scheme: dark) {
    :root { --text: #e4eaed; --soft: #9fb0b9; --line: #37474f; --paper: #12191d; --chosen: #17374f; }
  }
  * { box-sizing: border-box; }
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: var(--text); background: var(--paper); }
  h1 { font-size: 1.6rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
  h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
  .subject, .legend, figcaption { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
  .legend { margin-bottom: 2rem; }
  #verdict { font-size: 1.1rem; }
  .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(28rem, 100%), 1fr)); gap: 2rem; margin: 1.5rem 0 1rem; }
  figure { margin: 0; min-width: 0; }
  .chart { position: relative; height: var(--chart); }
  .wide { overflow-x: auto; margin-bottom: 2rem; }
  table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums; }
  th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
  th { vertical-align: bottom; white-space: normal; font-weight: 600; }
  th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
  #variants td:last-child, #variants th:last-child { text-align: right; }
  tr.chosen { background: var(--chosen); font-weight: 600; }
  tr.estimated { color: var(--soft); font-style: italic; }
  #int8 { margin: -1rem 0 2rem; }
  #int8 p { margin: 0 0 .25rem; }
  small { color: var(--soft); }
  @media print { .wide { overflow: visible; } figure, tr { break-inside: avoid; } }
`;

/** Runs in the page. Redrawn when the reader's colours change. */
export const PAGE_CHARTS = `
const colors = ['#1e88e5', '#e53935', '#43a047', '#fb8c00', '#8e24aa', '#00897b', '#8d6e63', '#78909c', '#d81b60', '#7cb342', '#3949ab', '#00acc1'];
const dashes = { plain: [3, 3], optimized: [], int8: [8, 4] };
const colorOf = (at) => colors[at % colors.length];
const lines = (x, y) => data.series.map(({ label, points }, at) => ({
  label, borderColor: colorOf(at), borderWidth: 2, borderDash: dashes[label.split(' ')[0]], tension: 0.2, clip: 12,
  pointRadius: points.map(({ chosen }) => (chosen ? 8 : 4)), pointHoverRadius: 8,
  pointBorderWidth: points.map(({ chosen }) => (chosen ? 3 : 2)),
  pointBackgroundColor: points.map(({ estimated }) => (estimated ? 'transparent' : colorOf(at))),
  pointBorderColor: points.map(({ chosen }) => (chosen ? style('--text') : colorOf(at))),
  data: points.map((point) => ({ x: point[x], y: point[y] })),
}));
const batches = [...new Set(data.series.flatMap(({ points }) => points.map(({ batch }) => batch)))].sort((a, b) => a - b);
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const batchAxis = () => ({ type: 'logarithmic', title: { display: true, text: 'batch' }, min: batches[0], max: Math.max(2, batches[batches.length - 1]),
  grid: { color: style('--line') }, afterBuildTicks: (axis) => { axis.ticks = batches.map((value) => ({ value })); }, ticks: { callback: (value) => value } });
const axis = (text, more) => ({ beginAtZero: true, title: { display: true, text }, grid: { color: style('--line') }, ...more });
const drawn = [];
const draw = (id, config) => drawn.push(new Chart(id, config));
function drawAll() {
  for (const old of drawn.splice(0)) old.destroy();
  Chart.defaults.color = style('--soft');
  Chart.defaults.borderColor = style('--line');
  const narrow = window.innerWidth < 640;
  const legend = { position: 'bottom', labels: { boxWidth: 18, boxHeight: 1, font: { size: narrow ? 9 : 11 } } };
  const common = { animation: false, maintainAspectRatio: false, plugins: { legend } };
  const slo = data.sloMs === null ? [] : [{ label: 'objective', borderColor: style('--text'), borderDash: [6, 4], borderWidth: 1.5, pointRadius: 0,
    data: [batches[0], Math.max(2, batches[batches.length - 1])].map((x) => ({ x, y: data.sloMs })) }];
  draw('worth', { type: 'line', data: { datasets: lines('batch', 'worth') }, options: { ...common, scales: { x: batchAxis(), y: axis('requests/s per MB') } } });
  draw('latency', { type: 'line', data: { datasets: [...lines('batch', 'p95Ms'), ...slo] }, options: { ...common, scales: { x: batchAxis(), y: axis('p95 ms') } } });
  draw('throughput', { type: 'scatter', data: { datasets: lines('mb', 'throughput').map((set) => ({ ...set, showLine: false })) },
    options: { ...common, scales: { x: axis('MB of an instance', { type: 'linear' }), y: axis('requests/s') } } });
  draw('cost', { type: 'bar', data: { labels: data.costPerformance.map(({ label }) => label),
    datasets: [{ label: 'memory x time per request', backgroundColor: data.costPerformance.map(({ chosen }) => (chosen ? '#fb8c00' : '#1e88e5')),
      data: data.costPerformance.map(({ value }) => value) }] },
    options: { ...common, indexAxis: 'y', scales: { x: axis('of the base'), y: { grid: { display: false }, ticks: { autoSkip: false, font: { size: narrow ? 8 : 10 } } } },
      plugins: { legend: { display: false } } } });
}
drawAll();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
`;
