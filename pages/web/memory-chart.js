/** Memory over time: used against unshared. */
import { useMemo } from 'preact/hooks';
import { axis, Chart, color } from './chart.js';
import { bytes, clock } from './format.js';
import { html } from './html.js';

const options = () => ({
  cursor: { y: false, points: { size: 7 } },
  // Room for half of the last label.
  padding: [8, 28, 0, 0],
  legend: { show: false },
  scales: { x: { time: true }, y: { range: (_plot, _min, max) => [0, Math.max(max * 1.1, 1)] } },
  series: [
    {},
    { label: 'unshared', stroke: color('unshared'), width: 1.5, dash: [5, 4], points: { show: false } },
    { label: 'used', stroke: color('leased'), width: 2, fill: color('leased-soft'), points: { show: false } },
  ],
  axes: [
    axis({ values: (_plot, ticks) => ticks.map((at) => clock(at * 1000).slice(0, 8)), space: 90, size: 28 }),
    axis({
      values: (_plot, ticks) => ticks.map((count) => (count === 0 ? '0' : bytes(count))),
      size: 68,
      incrs: steps(),
    }),
  ],
});

/** Ticks at round numbers, from MiB to PiB. */
function steps() {
  const list = [];
  for (let step = 1024 ** 2; step < 1024 ** 6; step *= 2) list.push(step);
  return list;
}

export function MemoryChart({ history, height }) {
  if (history.length < 2) return html`<p class="empty">The chart begins with the first figures.</p>`;
  return html`<${Drawn} history=${history} height=${height} />`;
}

function Drawn({ history, height }) {
  const data = useMemo(
    () => [
      history.map(({ atMs }) => atMs / 1000),
      history.map(({ unsharedBytes }) => unsharedBytes),
      history.map(({ usedBytes }) => usedBytes),
    ],
    [history.length, history.at(-1)?.atMs],
  );
  const last = history.at(-1);
  const description = last
    ? `Memory over time. Now ${bytes(last.usedBytes)} used, ${bytes(last.unsharedBytes)} without sharing.`
    : 'Memory over time.';
  return html`<${Chart} data=${data} options=${options} height=${height} description=${description} />
    <p class="keys"><i class="line used"></i>used <i class="line dashed"></i>without sharing</p>`;
}
