/** The operators' page of a cluster: reads only. */
import { useMemo, useState } from 'preact/hooks';
import { bytes, clock, count, number, percent, time } from './format.js';
import { html } from './html.js';
import { Instances, Shapes, totalOf } from './instances.js';
import { InTime, Latency } from './latency.js';
import { useAnswer, useLive } from './live.js';
import { MemoryBar, MemoryHeadline, MemoryLegend, savedShare } from './memory.js';
import { MemoryChart } from './memory-chart.js';
import { OverlapMatrix } from './overlap.js';
import { Panel, Shell, show } from './shell.js';
import { Table } from './table.js';
import { stepsOf, Way } from './way.js';

/** Functions of the matrix: more cannot be read. */
const MATRIX_MAX = 24;

function Nodes({ nodes }) {
  const scaleBytes = Math.max(
    1,
    ...nodes.flatMap(({ memory }) =>
      memory ? [memory.budgetBytes, Math.min(memory.unsharedBytes, 2 * memory.budgetBytes)] : [],
    ),
  );
  const columns = useMemo(
    () => [
      {
        key: 'node',
        title: 'node',
        value: ({ node }) => node,
        cell: ({ node, usable, flavour }) =>
          html`<b class=${usable ? 'name' : 'name bad'}>${node}</b
            >${!usable && html`<span class="tag bad">not usable</span>`}${flavour !== 'tetris' && html`<span class="tag">${flavour}</span>`}`,
      },
      {
        key: 'memory',
        title: 'memory',
        value: ({ memory }) => memory && memory.leasedBytes + memory.privateBytes,
        hint: 'leased, private, kept and free; the line is what it would be unshared',
        cell: ({ memory, node }) =>
          memory
            ? html`<div class="cell-bar"><${MemoryBar} memory=${memory} label=${node} scaleBytes=${scaleBytes} /></div>`
            : html`<span class="soft">not known</span>`,
      },
      {
        key: 'used',
        title: 'used',
        numeric: true,
        value: ({ memory }) => memory && memory.leasedBytes + memory.privateBytes,
        cell: ({ memory }) => (memory ? bytes(memory.leasedBytes + memory.privateBytes) : '–'),
      },
      {
        key: 'saved',
        title: 'saved',
        numeric: true,
        value: ({ memory }) => memory && savedShare(memory),
        cell: ({ memory }) => (memory ? percent(savedShare(memory)) : '–'),
      },
      {
        key: 'instances',
        title: 'instances',
        numeric: true,
        value: ({ instances }) => instances,
        cell: ({ instances }) => number(instances),
      },
      {
        key: 'load',
        title: 'at work',
        numeric: true,
        hint: 'Activations running and waiting there',
        value: ({ load }) => load,
        cell: ({ load }) => number(load),
      },
    ],
    [scaleBytes],
  );
  return html`<${Table}
    label="Nodes"
    columns=${columns}
    rows=${nodes}
    rowKey=${({ node }) => node}
    order=${{ key: 'node', down: false }}
  />`;
}

const FUNCTION_COLUMNS = [
  {
    key: 'name',
    title: 'function',
    value: ({ name }) => name,
    cell: ({ name, namespace }) =>
      html`<b class="name">${name}</b
        >${!name.startsWith(`${namespace}/`) && html`<span class="below">as ${namespace}</span>`}`,
  },
  { key: 'rate', title: 'per s', numeric: true, value: ({ rate }) => rate, cell: ({ rate }) => number(rate) },
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
  { key: 'batch', title: 'batch', numeric: true, value: ({ batch }) => batch, cell: ({ batch }) => number(batch) },
  { key: 'inTime', title: 'in time', value: ({ inTime }) => inTime, cell: (row) => html`<${InTime} ...${row} />` },
  { key: 'p50', title: 'p50', numeric: true, value: ({ p50Ms }) => p50Ms, cell: ({ p50Ms }) => time(p50Ms) },
  { key: 'p99', title: 'p99', numeric: true, value: ({ p99Ms }) => p99Ms, cell: ({ p99Ms }) => time(p99Ms) },
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
  {
    key: 'cold',
    title: 'cold',
    numeric: true,
    hint: 'Cold starts since the invokers began',
    value: ({ coldStarts }) => coldStarts,
    cell: ({ coldStarts }) => number(coldStarts),
  },
  {
    key: 'tensors',
    title: 'tensors',
    numeric: true,
    value: ({ tensorBytes }) => tensorBytes,
    cell: ({ tensorBytes }) => bytes(tensorBytes),
  },
];

const functionKey = ({ name, namespace }) => `${namespace} ${name}`;

function Functions({ functions }) {
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
    actions=${html`<label class="inline">Find <input name="find" type="search" value=${text} onInput=${({ target }) => setText(target.value)} /></label>`}
  >
    <${Table}
      label="Functions"
      columns=${FUNCTION_COLUMNS}
      rows=${found}
      rowKey=${functionKey}
      order=${{ key: 'rate', down: true }}
      empty="None."
    />
  <//>`;
}

/** Those invoked most, and then those with most tensors; a name once. */
function matrixNames(functions, text) {
  const known = functions.filter(({ tensorBytes, name }) => tensorBytes > 0 && name.includes(text));
  const sorted = [...known].sort(
    (one, other) => other.activations - one.activations || other.tensorBytes - one.tensorBytes,
  );
  return [...new Set(sorted.map(({ name }) => name))].slice(0, MATRIX_MAX).sort();
}

function Overlap({ functions }) {
  const [text, setText] = useState('');
  const names = matrixNames(functions, text);
  return html`<${Panel}
    id="overlap"
    title="Tensor overlap"
    wide
    note=${`percent of the row's tensors that the column has too; ${names.length} functions`}
    actions=${html`<label class="inline">Find <input name="find-overlap" type="search" value=${text} onInput=${({ target }) => setText(target.value)} /></label>`}
  >
    <${OverlapMatrix} names=${names} turn=${names.join()} />
  <//>`;
}

function Placements({ placements }) {
  if (placements.length === 0) return html`<p class="empty">None yet: who finds an instance at work is not placed.</p>`;
  return html`<div class="table tall" tabindex="0" role="group" aria-label="Placements">
    <table>
      <thead>
        <tr>
          ${['time', 'function', 'node', 'theta', 'not chosen'].map((head) => html`<th key=${head} class="plain" scope="col">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${placements.map(
          ({ atMs, activationId, name, node, theta, outcome, notChosen }) =>
            html`<tr key=${`${activationId} ${atMs}`}>
              <td>${clock(atMs)}</td>
              <td><b class="name">${name}</b></td>
              <td>${node} <span class="tag">${outcome}</span></td>
              <td class="number">${theta.toFixed(2)}</td>
              <td class="soft">
                ${notChosen.map((other) => `${other.node} ${other.theta.toFixed(2)} ${other.why}`).join(' · ') || '–'}
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function Ways({ activations }) {
  const [open, setOpen] = useState(undefined);
  if (activations.length === 0) return html`<p class="empty">None yet.</p>`;
  const longest = Math.max(1, ...activations.map(({ startMs, ackedMs }) => ackedMs - startMs));
  return html`<ul class="activations tall-list">
    ${activations.map(
      ({ activationId, name, startMs, sentMs, ackedMs }) =>
        html`<li key=${activationId}>
          <button
            class="activation"
            aria-expanded=${open === activationId}
            onClick=${() => setOpen(open === activationId ? undefined : activationId)}
          >
            <span></span><b class="name">${name}</b><span class="soft when">${clock(startMs)}</span>
            <span class="way-box"
              ><span class="way"
                ><i class="step-wait" style=${{ width: `${(100 * Math.max(0, sentMs - startMs)) / longest}%` }}></i
                ><i class="step-run" style=${{ width: `${(100 * (ackedMs - sentMs)) / longest}%` }}></i></span
            ></span>
            <span class="took">${time(ackedMs - startMs)}</span>
          </button>
          ${open === activationId && html`<${WayOf} id=${activationId} />`}
        </li>`,
    )}
  </ul>`;
}

function WayOf({ id }) {
  const { value, error } = useAnswer(`/tetris/ways/${id}`);
  if (error) return html`<p class="bad">${error}</p>`;
  if (value === undefined) return html`<p class="soft">Loading</p>`;
  const { startMs, sentMs, ackedMs, invoker, record } = value;
  const rows = [
    ['to the load balancer, and waiting there', sentMs - startMs],
    ...(record
      ? [
          ['to the invoker, and waiting there', record.start - sentMs],
          ['in the instance', record.end - record.start],
          ['back to the load balancer', ackedMs - record.end],
        ]
      : [['at the invoker, and back', ackedMs - sentMs]]),
  ];
  const steps =
    record &&
    stepsOf({
      waitMs: Math.max(0, record.start - startMs),
      initMs: record.initMs ?? 0,
      queueMs: record.queueMs ?? 0,
      runMs: record.runMs ?? 0,
      tookMs: record.end - record.start,
    });
  return html`<div class="activation-details">
    <p class="soft">
      ${`invoker ${invoker}${record?.batch > 0 ? ` · batch of ${record.batch}` : ''}${record?.objectiveMet === undefined ? '' : record.objectiveMet ? ' · within its objective' : ' · later than its objective'} · `}<code
        >${id}</code
      >
    </p>
    ${steps && html`<${Way} steps=${steps} named />`}
    <dl class="legend column-legend">
      ${rows.map(
        ([what, ms]) =>
          html`<div key=${what}>
            <dt>${what}</dt>
            <dd>${time(Math.max(0, ms))}</dd>
          </div>`,
      )}
    </dl>
  </div>`;
}

function Operators({ profiles }) {
  const { state: status, open } = useLive('/tetris/events');
  const links = [
    { href: '/', text: 'Cluster', current: true },
    ...(profiles ? [{ href: '/tetris/profile', text: 'Profiles' }] : []),
  ];
  if (status === undefined)
    return html`<${Shell} title="Tetris operators" links=${links} live=${open}><p class="loading">Loading</p><//>`;
  const usable = status.nodes.filter((node) => node.usable).length;
  return html`<${Shell} title="Tetris operators" links=${links} live=${open}>
    <div class="two even">
      <${Panel}
        id="memory"
        title="Memory of the cluster"
        note=${`${count(status.inFlight, 'activation')} in flight, ${status.waiting} waiting`}
      >
        <${MemoryHeadline} memory=${status.memory} />
        <${MemoryBar} memory=${status.memory} label="Cluster" />
        <${MemoryLegend} memory=${status.memory} />
        <${MemoryChart} history=${status.history} height=${170} />
      <//>
      <${Panel} id="nodes" title="Nodes" note=${`${usable} of ${status.nodes.length} usable`}
        ><${Nodes} nodes=${status.nodes}
      /><//>
      <${Functions} functions=${status.functions} />
      <${Overlap} functions=${status.functions} />
      <${Panel} id="placements" title="Placements"><${Placements} placements=${status.placements} /><//>
      <${Panel} id="ways" title="Activations"><${Ways} activations=${status.activations} /><//>
    </div>
  <//>`;
}

show(Operators);
