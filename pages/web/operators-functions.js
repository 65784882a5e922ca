/** The functions of a cluster: how busy, how quick, and who was refused. */
import { useMemo, useState } from 'preact/hooks';
import { Find } from './fields.js';
import { bytes, count, number, time } from './format.js';
import { html } from './html.js';
import { Instances, Shapes, totalOf } from './instances.js';
import { InTime, Latency } from './latency.js';
import { Panel } from './shell.js';
import { figure, Table } from './table.js';

const COLUMNS = [
  {
    key: 'name',
    title: 'function',
    value: ({ name }) => name,
    cell: ({ name, namespace }) =>
      html`<b class="name">${name}</b
        >${!name.startsWith(`${namespace}/`) && html`<span class="below">as ${namespace}</span>`}`,
  },
  figure('rate', 'per s', number, { hint: 'Answers in a second' }),
  {
    key: 'instances',
    title: 'instances',
    value: ({ states }) => totalOf(states),
    cell: ({ states }) => html`<${Instances} states=${states} />`,
  },
  {
    key: 'shape',
    title: 'shape',
    value: ({ shapes }) => Object.keys(shapes)[0],
    cell: ({ shapes }) => html`<${Shapes} shapes=${shapes} />`,
  },
  figure('batch', 'batch', number, { hint: 'Requests in one execution' }),
  { key: 'inTime', title: 'in time', value: ({ inTime }) => inTime, cell: (row) => html`<${InTime} ...${row} />` },
  figure('p50Ms', 'p50', time),
  figure('p99Ms', 'p99', time),
  {
    key: 'latency',
    title: 'against objective',
    value: ({ p99Ms, sloMs }) => sloMs && p99Ms && p99Ms / sloMs,
    cell: (row) => html`<${Latency} ...${row} />`,
  },
  {
    key: 'refusals',
    title: 'refused',
    numeric: true,
    value: ({ refusals }) => totalOf(refusals),
    cell: ({ refusals }) => {
      const all = Object.entries(refusals).map(([reason, times]) => `${times} ${reason}`);
      return all.length === 0
        ? html`<span class="soft">0</span>`
        : html`<span class="bad" title=${all.join(', ')}>${all.join(', ')}</span>`;
    },
  },
  figure('coldStarts', 'cold', number, { hint: 'Cold starts since the invokers began' }),
  figure('tensorBytes', 'tensors', bytes),
];

const functionKey = ({ name, namespace }) => `${namespace} ${name}`;

export function Functions({ functions }) {
  const [text, setText] = useState('');
  const found = useMemo(
    () => functions.filter(({ name, namespace }) => `${namespace} ${name}`.includes(text)),
    [functions, text],
  );
  return html`<${Panel}
    id="functions"
    title="Functions"
    wide
    note=${`${count(functions.length, 'function')}, the last minute`}
    actions=${html`<${Find} name="find" text=${text} onInput=${setText} />`}
  >
    <${Table}
      label="Functions"
      columns=${COLUMNS}
      rows=${found}
      rowKey=${functionKey}
      order=${{ key: 'rate', down: true }}
      empty="None."
    />
  <//>`;
}
