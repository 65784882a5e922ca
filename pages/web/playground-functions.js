/** The functions of the platform: what they are, what runs of them, and how quick they are. */
import { annotation } from './api.js';
import { bytes, number, time } from './format.js';
import { html } from './html.js';
import { Instances, totalOf } from './instances.js';
import { InTime, Latency } from './latency.js';
import { figure, Table } from './table.js';

/** Actions as the API lists them, with what the platform says of those that have run. */
export function functionRows(actions, functions, models) {
  const running = new Map(functions.map((row) => [row.name, row]));
  return actions.map((action) => {
    const name = `${action.namespace}/${action.name}`;
    const figures = running.get(name) ?? { states: {}, models: [] };
    const slo = Number(annotation(action, 'tetris-slo'));
    return {
      action,
      name,
      kind: annotation(action, 'exec'),
      ...figures,
      sloMs: slo > 0 ? slo : figures.sloMs,
      modelNames: figures.models.map((sha256) => modelName(models, sha256)),
    };
  });
}

/** The file's name: the store names a model by the action that brought it first, and its file. */
function modelName(models, sha256) {
  const name = models.find(({ source }) => source === sha256)?.name ?? '';
  return name.split(/[/ ]/).at(-1) || sha256.slice(0, 8);
}

const COLUMNS = [
  {
    key: 'name',
    title: 'function',
    value: ({ action }) => action.name,
    cell: ({ action, kind, modelNames, tensorBytes }) =>
      html`<b class="name">${action.name}</b>
        <span class="below"
          >${modelNames.length > 0 ? `${modelNames.join(', ')} · ${bytes(tensorBytes)} of tensors` : kind}</span
        >`,
  },
  {
    key: 'instances',
    title: 'instances',
    value: ({ states }) => totalOf(states),
    cell: ({ states }) => html`<${Instances} states=${states} />`,
  },
  {
    key: 'latency',
    title: 'latency',
    value: ({ p99Ms }) => p99Ms,
    hint: 'From p50 (dot) to p99 of the last minute; the line is the objective',
    cell: (row) =>
      html`<${Latency} ...${row} />
        <span class="below"
          >${row.p50Ms === undefined ? 'none lately' : `p50 ${time(row.p50Ms)} · p99 ${time(row.p99Ms)}`}</span
        >`,
  },
  {
    key: 'inTime',
    title: 'in time',
    value: ({ inTime }) => inTime,
    hint: 'Share of the answers of the last minute that came within the objective',
    cell: (row) => html`<${InTime} ...${row} />`,
  },
  figure('batch', 'batch', number, { hint: 'Requests in one execution, on average of the last minute' }),
  {
    key: 'runs',
    title: 'runs',
    numeric: true,
    hint: 'Activations since the start; those that waited for a start',
    value: ({ activations }) => activations,
    cell: ({ activations = 0, coldStarts = 0 }) =>
      html`${number(activations)}<span class="below">${number(coldStarts)} cold</span>`,
  },
];

export function FunctionsTable({ rows, selected, onSelect }) {
  return html`<${Table}
    label="Functions"
    columns=${COLUMNS}
    rows=${rows}
    rowKey=${({ name }) => name}
    order=${{ key: 'name', down: false }}
    selected=${selected}
    onSelect=${onSelect}
    empty="None yet. Create one beside this, or with wsk."
  />`;
}
