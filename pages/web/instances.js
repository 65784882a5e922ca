/** Instances by state and shape. */
import { html } from './html.js';

/** In the order of a life; colour says how much they are at work. */
const STATES = ['busy', 'warm', 'paused', 'asleep', 'ended', 'starting', 'initialising', 'draining', 'ending'];
const DOTS_MAX = 12;

export const totalOf = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

/** `2 warm, 1 busy` as dots, and as words for who does not see them. */
export function Instances({ states }) {
  const total = totalOf(states);
  if (total === 0) return html`<span class="soft">none</span>`;
  const known = STATES.filter((state) => states[state] > 0);
  const words = known.map((state) => `${states[state]} ${state}`).join(', ');
  const dots = known.flatMap((state) => Array.from({ length: states[state] }, () => state)).slice(0, DOTS_MAX);
  return html`<span class="instances" title=${words}>
    <span aria-hidden="true">${dots.map((state, at) => html`<i key=${at} class=${`dot ${state}`}></i>`)}</span>
    <span class="words">${words}</span>
  </span>`;
}

/** `p=1 t=1 b=8` of most instances, and how many others there are. */
export function Shapes({ shapes }) {
  const sorted = Object.entries(shapes).sort(([, one], [, other]) => other - one);
  if (sorted.length === 0) return html`<span class="soft">–</span>`;
  const [[shape], ...others] = sorted;
  const all = sorted.map(([name, count]) => `${count} × ${name}`).join(', ');
  return html`<span class="mono" title=${all}>${shape}${others.length > 0 && ` +${others.length}`}</span>`;
}
