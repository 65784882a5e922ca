/** Memory in bars: what is used, what is kept, what is free, and what it would be unshared. */
import { bytes, percent } from './format.js';
import { html } from './html.js';

const PARTS = [
  ['leased', 'leasedBytes', 'shared tensors in use, each once'],
  ['private', 'privateBytes', 'private memory of instances'],
  ['kept', 'keptBytes', 'tensors kept for the next start'],
  ['free', 'freeBytes', 'free'],
];

export const usedBytes = ({ leasedBytes, privateBytes }) => leasedBytes + privateBytes;

/** Share of the unshared memory that sharing saves; 0 where there is nothing to share. */
export const savedShare = (memory) =>
  memory.unsharedBytes <= usedBytes(memory) ? 0 : 1 - usedBytes(memory) / memory.unsharedBytes;

/** One bar for a node's or the cluster's budget, with a mark at what the instances would take unshared. */
export function MemoryBar({ memory, label, scaleBytes = Math.max(memory.budgetBytes, memory.unsharedBytes) }) {
  const width = (count) => `${(100 * count) / Math.max(1, scaleBytes)}%`;
  const words = PARTS.map(([name, key]) => `${name} ${bytes(memory[key])}`).join(', ');
  return html`<div
    class="bar"
    role="img"
    aria-label=${`${label}: ${words}; unshared it would be ${bytes(memory.unsharedBytes)}`}
  >
    ${PARTS.map(
      ([name, key, text]) =>
        memory[key] > 0 &&
        html`<span
          key=${name}
          class=${name}
          style=${{ width: width(memory[key]) }}
          title=${`${text}: ${bytes(memory[key])}`}
        ></span>`,
    )}
    ${
      memory.unsharedBytes > 0 &&
      html`<i
        class="unshared"
        style=${{ left: `min(${width(memory.unsharedBytes)}, calc(100% - 2px))` }}
        title=${`unshared: ${bytes(memory.unsharedBytes)}`}
      ></i>`
    }
  </div>`;
}

export function MemoryLegend({ memory }) {
  return html`<dl class="legend">
    ${PARTS.map(
      ([name, key, text]) =>
        html`<div key=${name} title=${text}>
          <dt><i class=${`swatch ${name}`}></i>${name}</dt>
          <dd data-figure=${key}>${bytes(memory[key])}</dd>
        </div>`,
    )}
    <div title="what the instances would take if each had its own copy">
      <dt><i class="swatch unshared"></i>unshared</dt>
      <dd data-figure="unsharedBytes">${bytes(memory.unsharedBytes)}</dd>
    </div>
  </dl>`;
}

/** The three figures that matter: now, unshared, saved. */
export function MemoryHeadline({ memory }) {
  const used = usedBytes(memory);
  const saved = Math.max(0, memory.unsharedBytes - used);
  return html`<div class="headline">
    <div><b data-figure="usedBytes" data-bytes=${used}>${bytes(used)}</b><span>used now</span></div>
    <div class="soft">
      <b data-bytes=${memory.unsharedBytes}>${bytes(memory.unsharedBytes)}</b><span>without sharing</span>
    </div>
    <div class=${saved > 0 ? 'good' : 'soft'}>
      <b data-figure="savedBytes">${bytes(saved)}</b>
      <span>saved${saved > 0 && html` · ${percent(savedShare(memory))}`}</span>
    </div>
  </div>`;
}
