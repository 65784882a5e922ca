/** What was decided and done last: placements, and the way of one activation. */
import { useState } from 'preact/hooks';
import { clock, time } from './format.js';
import { html } from './html.js';
import { useAnswer } from './live.js';
import { stepsOf, Way } from './way.js';

export function Placements({ placements }) {
  if (placements.length === 0) return html`<p class="empty">None yet: who finds an instance at work is not placed.</p>`;
  return html`<div class="table" tabindex="0" role="group" aria-label="Placements">
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
              <td>${node}<span class="below">by ${outcome}</span></td>
              <td class="number">${theta.toFixed(2)}</td>
              <td class="soft wrap">
                ${notChosen.map((other) => `${other.node} ${other.theta.toFixed(2)} ${other.why}`).join(' · ') || '–'}
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

export function Ways({ activations }) {
  const [open, setOpen] = useState(undefined);
  if (activations.length === 0) return html`<p class="empty">None yet.</p>`;
  const longest = Math.max(1, ...activations.map(({ startMs, ackedMs }) => ackedMs - startMs));
  return html`<ul class="activations tall-list">
    ${activations.map(
      ({ activationId, name, startMs, sentMs, ackedMs }) =>
        html`<li key=${activationId}>
          <button
            class="activation plain"
            aria-expanded=${open === activationId}
            onClick=${() => setOpen(open === activationId ? undefined : activationId)}
          >
            <b class="name">${name}</b><span class="soft when">${clock(startMs)}</span>
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
