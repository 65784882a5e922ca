/** The functions of a cluster: how busy, how quick, and who was refused. */
import { useMemo, useState } from 'preact/hooks';
import { Find } from './fields.js';
import { bytes, count, number, rate, time } from './format.js';
import { html } from './html.js';
import { Instances, Shapes, totalOf } from './instances.js';
import { InTime, Latency } from './latency.js';
import { Panel } from './shell.js';
import { figure, Table } from './table.js';

/** Reasons that are named in the table; the others by pointing at it. */
const REASONS_MAX = 2;

/** How many by reason, the most first. */
function Refusals({ refusals }) {
  const all = Object.entries(refusals).sort(([, one], [, other]) => other - one);
  if (all.length === 0) return html`<span class="soft">0</span>`;
  const texts = all.map(([reason, times]) => `${number(times)} ${reason}`);
  return html`<span title=${texts.join(', ')}>
    ${texts.slice(0, REASONS_MAX).map((text) => html`<span key=${text} class="below bad">${text}</span>`)}
  </span>`;
}

const COLUMNS = [
  {
    key: 'name',
    title: 'function',
    value: ({ name }) => name,
    cell: ({ name, namespace }) =>
      html`<b class="name">${name}</b
        >${!name.startsWith(`${namespace}/`) && html`<span class="below">as ${namespace}</span>`}`,
  },
  figure('rate', 'per s', rate, { hint: 'Answers in a second' }),
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
    title: 'latency',
    value: ({ p99Ms, sloMs }) => sloMs && p99Ms && p99Ms / sloMs,
    cell: (row) => html`<${Latency} ...${row} />`,
  },
  {
    key: 'refusals',
    title: 'refused',
    numeric: true,
    value: ({ refusals }) => totalOf(refusals),
    cell: ({ refusals }) => html`<${Refusals} refusals=${refusals} />`,
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
