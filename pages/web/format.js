/** Figures for people. Memory is counted in powers of 1024, and says so. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(count) {
  if (count === undefined || count === null) return '–';
  if (count === 0) return '0 MiB';
  const power = Math.max(0, Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.abs(count)) / 10)));
  const value = count / 1024 ** power;
  return `${value.toFixed(power < 2 || Math.abs(value) >= 10 || Number.isInteger(value) ? 0 : 1)} ${UNITS[power]}`;
}

/** Milliseconds in the unit that reads best. */
export function time(ms) {
  if (ms === undefined || ms === null) return '–';
  if (ms < 1) return '< 1 ms';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s` : `${(ms / 60_000).toFixed(1)} min`;
}

/** A share of 0..1. Never rounded up to all, nor down to nothing. */
export function percent(share) {
  if (share === undefined || share === null) return '–';
  const value = 100 * share;
  if (value > 99 && value < 100) return `${(Math.floor(value * 10) / 10).toFixed(1)} %`;
  if (value > 0 && value < 1) return `${Math.max(0.1, value).toFixed(1)} %`;
  return `${value.toFixed(0)} %`;
}

/** Three digits. */
export function number(value) {
  if (value === undefined || value === null) return '–';
  if (value === 0 || Number.isInteger(value)) return value.toLocaleString('en');
  if (Math.abs(value) < 0.1) return value.toPrecision(2);
  return value >= 99.95 ? value.toFixed(0) : value.toFixed(value >= 9.995 ? 1 : 2);
}

/** Something in a second: always with as many places, so that a column can be read. */
export const rate = (value) =>
  value == null ? '–' : value === 0 ? '0' : value.toFixed(value < 9.95 ? 2 : value < 99.5 ? 1 : 0);

export const count = (value, one, many = `${one}s`) => `${value.toLocaleString('en')} ${value === 1 ? one : many}`;

export const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB');

export const date = (ms) => new Date(ms).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
