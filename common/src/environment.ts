/**
 * The part of configuration that needs no schema library: function instances read their few keys with this, because
 * each megabyte of an instance is paid per instance.
 */

/** `socketPath` of `daemon` -> `TETRIS_DAEMON_SOCKET_PATH`. */
export function environmentName(component: string, name: string): string {
  const snake = (text: string): string =>
    text
      .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
      .replace(/-/g, '_')
      .toUpperCase();
  return `TETRIS_${snake(component)}_${snake(name)}`;
}

const UNITS: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** `512m` -> 536870912; undefined where it is no size. */
export function parseBytes(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const match = /^\s*(\d+(?:\.\d+)?)\s*([bkmgt]?)b?\s*$/i.exec(value);
  if (match === null) return undefined;
  return Math.floor(Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase() || 'b'] ?? 1));
}
