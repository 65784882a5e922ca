/** Where an activation's time went. */
import { time } from './format.js';
import { html } from './html.js';

const STEPS = [
  ['wait', 'waiting for an instance'],
  ['init', 'the instance starts, and loads its model'],
  ['queue', 'waiting in the instance for a worker and for batch mates'],
  ['run', 'inference'],
  ['code', "the action's own code"],
];

/** The steps of a record with OpenWhisk's annotations. ms */
export function stepsOfRecord(record, annotation) {
  const { queueMs = 0, runMs = 0 } = annotation(record, 'tetris') ?? {};
  return stepsOf({
    waitMs: annotation(record, 'waitTime') ?? 0,
    initMs: annotation(record, 'initTime') ?? 0,
    queueMs,
    runMs,
    tookMs: record.duration ?? 0,
  });
}

/** @param tookMs in the instance, init included */
export function stepsOf({ waitMs, initMs, queueMs, runMs, tookMs }) {
  const inside = Math.max(0, tookMs - initMs);
  const queue = Math.min(queueMs, inside);
  const run = Math.min(runMs, inside - queue);
  return { wait: waitMs, init: initMs, queue, run, code: Math.max(0, inside - queue - run) };
}

export const totalMs = (steps) => Object.values(steps).reduce((sum, ms) => sum + ms, 0);

/** The steps as one bar. @param scaleMs what the whole width is */
export function Way({ steps, scaleMs = totalMs(steps), named = false }) {
  const shown = STEPS.filter(([name]) => steps[name] > 0);
  const words = shown.map(([name]) => `${name} ${time(steps[name])}`).join(', ');
  return html`<div class="way-box">
    <div class="way" role="img" aria-label=${words}>
      ${shown.map(
        ([name, text]) =>
          html`<span
            key=${name}
            class=${`step-${name}`}
            style=${{ width: `${(100 * steps[name]) / Math.max(1, scaleMs)}%` }}
            title=${`${text}: ${time(steps[name])}`}
          ></span>`,
      )}
    </div>
    ${
      named &&
      html`<dl class="legend">
        ${shown.map(
          ([name, text]) =>
            html`<div key=${name} title=${text}>
              <dt><i class=${`swatch step-${name}`}></i>${name}</dt>
              <dd>${time(steps[name])}</dd>
            </div>`,
        )}
      </dl>`
    }
  </div>`;
}
