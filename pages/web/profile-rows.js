/** Every configuration of a report, machine beside machine. */
import { bytes, number, time } from './format.js';
import { html } from './html.js';
import { figure, Table } from './table.js';

export const machineName = ({ cpu, cores, inputs }) => `${cpu}, ${cores} cores${inputs === '' ? '' : `, ${inputs}`}`;

const COLUMNS = [
  {
    key: 'name',
    title: 'configuration',
    value: ({ name }) => name,
    cell: ({ name, source, chosen, noise }) =>
      html`<span class="mono">${name}</span> ${chosen && html`<b class="tag good">chosen</b>`}
        ${source === 'estimated' && html`<span class="tag">estimated</span>`}
        ${noise !== undefined && html`<span class="tag warn" title=${noise}>noisy</span>`}`,
  },
  figure('p50Ms', 'p50', time),
  figure('p95Ms', 'p95', time),
  figure('p99Ms', 'p99', time),
  figure('spread', 'p95/p50', number, {
    hint: 'Spread: how much slower the slowest of twenty are than half',
    value: ({ p50Ms, p95Ms }) => p95Ms / p50Ms,
  }),
  figure('throughput', 'req/s', number),
  figure('loadMs', 'load', time, { hint: 'Of a model that the node has already' }),
  figure('steadyBytes', 'memory', bytes, { hint: 'Private memory of the instance at work' }),
  figure('peakBytes', 'peak', bytes),
  figure('limitBytes', 'limit', bytes, { hint: 'The least memory limit tried in which it runs' }),
  figure('worth', 'req/s per MiB', number),
  figure('cost', 'cost', number, { hint: 'Memory x time of a request, against the base' }),
  figure('money', 'money', number, { hint: 'Of a million requests, by the price given' }),
];

export function Rows({ rows, machines }) {
  const several = machines.length > 1;
  const machine = {
    key: 'machine',
    title: 'machine',
    value: (row) => row.machine,
    cell: (row) =>
      html`<span title=${machineName(machines[row.machine])}
        >${row.machine + 1}: ${machines[row.machine].cpu.slice(0, 24)}</span
      >`,
  };
  const columns = COLUMNS.filter(({ key }) => key !== 'money' || rows.some(({ money }) => money !== undefined));
  return html`<${Table}
    label="All configurations"
    columns=${several ? [columns[0], machine, ...columns.slice(1)] : columns}
    rows=${rows}
    rowKey=${(row) => `${row.machine} ${row.name}`}
    order=${{ key: 'worth', down: true }}
    selected=${rows.filter(({ chosen }) => chosen).map((row) => `${row.machine} ${row.name}`)[0]}
  />`;
}
