/** Tensors that functions have in common: of two in full, of many as a matrix. */
import { useMemo, useState } from 'preact/hooks';
import { Choice } from './fields.js';
import { bytes, percent } from './format.js';
import { html } from './html.js';
import { useAnswer } from './live.js';

const query = (names) => `/tetris/overlaps?${names.map((name) => `name=${encodeURIComponent(name)}`).join('&')}`;

const shortName = (name) => name.replace(/^guest\//, '');

/** Looked at for the two that have most in common. */
const LOOKED_AT_MAX = 32;

/** @param names functions whose tensors are known; `turn` changes when these may have */
export function OverlapOfTwo({ names, turn }) {
  const [chosen, setChosen] = useState(undefined);
  const { value: all } = useAnswer(names.length < 2 ? undefined : query(names.slice(0, LOOKED_AT_MAX)), turn);
  const [one, other] = chosen?.every((name) => names.includes(name)) ? chosen : closest(all, names);
  const { value } = useAnswer(other === undefined ? undefined : query([one, other]), turn);
  if (other === undefined) return html`<p class="empty">Two functions that have run a model are needed.</p>`;
  const options = names.map((name) => ({ value: name, text: shortName(name) }));
  const select = (title, value, choose) =>
    html`<${Choice}
      inline
      ...${{ name: title, title, value, options }}
      onChange=${(name) => setChosen(choose(name))}
    />`;
  return html`<div class="row">
      ${select('of', one, (name) => [name, other])} ${select('and', other, (name) => [one, name])}
    </div>
    ${value && html`<${Two} names=${value.names} overlap=${value} />`}`;
}

/** Those that have most in common. */
function closest(overlaps, names) {
  let best = [names[0], names[1]];
  let most = 0;
  for (const [row, shared] of (overlaps?.sharedBytes ?? []).entries()) {
    for (let column = row + 1; column < shared.length; column += 1) {
      if (shared[column] <= most) continue;
      most = shared[column];
      best = [overlaps.names[row], overlaps.names[column]];
    }
  }
  return best;
}

function Two({ names, overlap }) {
  const [[one = 0, shared = 0], [, other = 0]] = overlap.sharedBytes;
  const parts = [
    ['only-one', one - shared],
    ['both', shared],
    ['only-other', other - shared],
  ];
  const total = one + other - shared;
  const words = `${bytes(shared)} of ${bytes(one)} and ${bytes(other)} in common`;
  const of = (name, whole) => `${percent(shared / Math.max(1, whole))} of ${shortName(name)} (${bytes(whole)})`;
  return html`<div class="two-bar" role="img" aria-label=${words}>
      ${parts.map(([name, count]) => html`<span key=${name} class=${name} style=${{ width: `${(100 * count) / Math.max(1, total)}%` }}></span>`)}
    </div>
    <p>
      <b data-figure="sharedBytes">${bytes(shared)}</b>${` in common: ${of(names[0], one)}, ${of(names[1], other)}. `}
      ${`On one node they take ${bytes(total)} instead of ${bytes(one + other)}.`}
    </p>`;
}

/** @param names at most as many as can be read; `turn` changes when their tensors may have */
export function OverlapMatrix({ names, turn }) {
  const { value } = useAnswer(names.length < 2 ? undefined : query(names), turn);
  // Drawn when it is another, and not with each update of the figures around it.
  const matrix = useMemo(() => value && html`<${Matrix} overlaps=${value} />`, [value]);
  return names.length < 2 || value === undefined
    ? html`<p class="empty">Two functions that have run a model are needed.</p>`
    : matrix;
}

function Matrix({ overlaps: { names, totalBytes, sharedBytes } }) {
  const cell = (name, row) => (other, column) => {
    const share = sharedBytes[row][column] / Math.max(1, totalBytes[row] ?? 0);
    return html`<td
      key=${other}
      class=${row === column ? 'self' : null}
      style=${row === column ? {} : { '--share': `${Math.round(100 * share)}%` }}
      title=${`${name} and ${other}: ${bytes(sharedBytes[row][column])}`}
    >
      ${row === column ? '' : share === 0 ? html`<span class="hidden">0</span>` : Math.round(100 * share)}
    </td>`;
  };
  return html`<div class="table matrix" tabindex="0" role="group" aria-label="Tensor overlap">
    <table>
      <caption class="hidden">
        Share of the tensors of the function in a row that the function in a column has too
      </caption>
      <thead>
        <tr>
          <td></td>
          ${names.map((name) => html`<th key=${name} scope="col"><span>${shortName(name)}</span></th>`)}
        </tr>
      </thead>
      <tbody>
        ${names.map(
          (name, row) =>
            html`<tr key=${name}>
              <th scope="row">${shortName(name)} <span class="soft">${bytes(totalBytes[row])}</span></th>
              ${names.map(cell(name, row))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
