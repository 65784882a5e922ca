/** Latency against the objective: p50 and p99 on one scale that the objective is in the middle of. */
import { percent, time } from './format.js';
import { html } from './html.js';

export function Latency({ p50Ms, p99Ms, sloMs }) {
  if (p50Ms === undefined) return html`<span class="soft">–</span>`;
  const scale = sloMs === undefined ? p99Ms * 1.2 : Math.max(2 * sloMs, p99Ms * 1.05);
  const at = (ms) => `${Math.min(100, (100 * ms) / scale)}%`;
  const late = sloMs !== undefined && p99Ms > sloMs;
  const words = `p50 ${time(p50Ms)}, p99 ${time(p99Ms)}${sloMs === undefined ? '' : `, objective ${sloMs} ms`}`;
  return html`<span class="latency" role="img" aria-label=${words} title=${words}>
    <span
      class=${`range ${late ? 'late' : ''}`}
      style=${{ left: at(p50Ms), width: `calc(${at(p99Ms)} - ${at(p50Ms)})` }}
    ></span>
    <i class="p50" style=${{ left: at(p50Ms) }}></i>
    ${sloMs !== undefined && html`<i class="slo" style=${{ left: at(sloMs) }}></i>`}
  </span>`;
}

/** The share within the objective, coloured by how good it is. */
export function InTime({ inTime, sloMs }) {
  if (sloMs === undefined) return html`<span class="soft">–</span>`;
  if (inTime === undefined) return html`<span class="below">of ${sloMs} ms</span>`;
  const mood = inTime >= 0.95 ? 'good' : inTime >= 0.8 ? 'warn' : 'bad';
  return html`<span class=${mood}>${percent(inTime)}</span><span class="below">of ${sloMs} ms</span>`;
}
