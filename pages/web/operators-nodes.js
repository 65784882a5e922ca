/** The nodes of a cluster, a memory bar each on one scale. */
import { useMemo } from 'preact/hooks';
import { bytes, number, percent } from './format.js';
import { html } from './html.js';
import { MemoryBar, savedShare, usedBytes } from './memory.js';
import { figure, Table } from './table.js';

const known = (figureOf) => ({ value: ({ memory }) => memory && figureOf(memory) });

const NAME = {
  key: 'node',
  title: 'node',
  value: ({ node }) => node,
  cell: ({ node, usable, flavour }) =>
    html`<b class=${usable ? 'name' : 'name bad'}>${node}</b
      >${!usable && html`<span class="tag bad">not usable</span>`}${flavour !== 'tetris' && html`<span class="tag">${flavour}</span>`}`,
};

const FIGURES = [
  figure('used', 'used', bytes, known(usedBytes)),
  figure('saved', 'saved', percent, known(savedShare)),
  figure('instances', 'instances', number),
  figure('load', 'at work', number, { hint: 'Activations running and waiting there' }),
];

const bar = (scaleBytes) => ({
  key: 'memory',
  title: 'memory',
  ...known(usedBytes),
  hint: 'leased, private, kept and free; the line is what it would be unshared',
  cell: ({ memory, node }) =>
    memory
      ? html`<div class="cell-bar"><${MemoryBar} memory=${memory} label=${node} scaleBytes=${scaleBytes} /></div>`
      : html`<span class="soft">not known</span>`,
});

/** What a bar's whole width is: the largest budget, and unshared bytes up to twice that of their node. */
const scaleOf = (nodes) =>
  Math.max(
    1,
    ...nodes.flatMap(({ memory }) =>
      memory ? [memory.budgetBytes, Math.min(memory.unsharedBytes, 2 * memory.budgetBytes)] : [],
    ),
  );

export function Nodes({ nodes }) {
  const scaleBytes = scaleOf(nodes);
  const columns = useMemo(() => [NAME, bar(scaleBytes), ...FIGURES], [scaleBytes]);
  return html`<${Table}
    label="Nodes"
    columns=${columns}
    rows=${nodes}
    rowKey=${({ node }) => node}
    order=${{ key: 'node', down: false }}
  />`;
}
