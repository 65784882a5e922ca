/** A table that sorts, and of many rows draws only those in sight. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { html } from './html.js';

/** Rows that are drawn as they are. */
const PLAIN_MAX = 80;
const ROW_PX = 38;
const SPARE = 8;

/** A column of numbers. @param more `hint`, and `value` where the number is no property of the row by the name `key` */
export const figure = (key, title, format, { hint, value = (row) => row[key] } = {}) => ({
  ...{ key, title, hint, value, numeric: true },
  cell: (row) => format(value(row)),
});

/**
 * @param columns `{ key, title, value(row), cell(row), numeric, hint }`: `value` sorts, `cell` is shown
 * @param rowKey a row's identity
 * @param order `{ key, down }` at first
 */
export function Table({ label, columns, rows, rowKey, order, selected, onSelect, empty = 'None yet.' }) {
  const [sorting, setSorting] = useState(order);
  const sorted = useOrder(rows, columns, sorting, rowKey);
  const sort = ({ key, numeric }) =>
    setSorting((now) => ({ key, down: now.key === key ? !now.down : numeric === true }));
  const place = useRef(null);
  const range = useRowsInSight(place, sorted.length);
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  const shown = sorted.slice(range.from, range.to);
  return html`<div
    class=${`table ${sorted.length > PLAIN_MAX ? 'tall' : ''}`}
    ref=${place}
    tabindex="0"
    role="group"
    aria-label=${label}
  >
    <table aria-rowcount=${sorted.length + 1}>
      <thead>
        <tr>
          ${columns.map(
            (column) =>
              html`<th
                key=${column.key}
                class=${column.numeric ? 'number' : ''}
                title=${column.hint}
                aria-sort=${sorting.key === column.key ? (sorting.down ? 'descending' : 'ascending') : null}
              >
                <button class="sort" onClick=${() => sort(column)}>
                  ${column.title}<span aria-hidden="true"
                    >${sorting.key === column.key ? (sorting.down ? '▾' : '▴') : ''}</span
                  >
                </button>
              </th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${
          range.from > 0 &&
          html`<tr class="space" aria-hidden="true">
            <td colspan=${columns.length} style=${{ height: `${range.from * ROW_PX}px` }}></td>
          </tr>`
        }
        ${shown.map((row, index) => {
          const key = rowKey(row);
          return html`<tr
            key=${key}
            aria-rowindex=${range.from + index + 2}
            class=${`${key === selected ? 'selected' : ''} ${onSelect ? 'clickable' : ''}`}
            onClick=${onSelect && (() => onSelect(row))}
          >
            ${columns.map(({ key: name, cell, numeric }) => html`<td key=${name} class=${numeric ? 'number' : ''}>${cell(row)}</td>`)}
          </tr>`;
        })}
        ${
          range.to < sorted.length &&
          html`<tr class="space" aria-hidden="true">
            <td colspan=${columns.length} style=${{ height: `${(sorted.length - range.to) * ROW_PX}px` }}></td>
          </tr>`
        }
      </tbody>
    </table>
  </div>`;
}

/** Rows keep their places for so long though their figures change: nobody reads a table whose rows jump. */
const ORDER_MS = 15_000;

/** The rows as they are sorted, in an order that holds for a while. */
function useOrder(rows, columns, sorting, rowKey) {
  const kept = useRef({ atMs: -Infinity });
  return useMemo(() => {
    const atMs = performance.now();
    const { sorting: by, total, places } = kept.current;
    if (by !== sorting || total !== rows.length || atMs - kept.current.atMs > ORDER_MS) {
      const sorted = sortRows(rows, columns, sorting);
      kept.current = { sorting, total: rows.length, atMs, places: new Map(sorted.map((row, at) => [rowKey(row), at])) };
      return sorted;
    }
    const place = (row) => places.get(rowKey(row)) ?? rows.length;
    return [...rows].sort((one, other) => place(one) - place(other));
  }, [rows, columns, sorting]);
}

/** Rows of which something is to be seen, and a few beside them. */
function useRowsInSight(place, total) {
  const [{ top, inSight }, setView] = useState({ top: 0, inSight: 14 });
  useEffect(() => {
    const element = place.current;
    if (element === null || total <= PLAIN_MAX) return undefined;
    let asked = 0;
    // Asked for when it changes and not with each update, which would lay the page out once more.
    const look = () => {
      asked ||= requestAnimationFrame(() => {
        asked = 0;
        const { scrollTop, clientHeight } = element;
        setView({ top: Math.floor(scrollTop / ROW_PX), inSight: Math.ceil(clientHeight / ROW_PX) });
      });
    };
    element.addEventListener('scroll', look, { passive: true });
    const room = new ResizeObserver(look);
    room.observe(element);
    return () => {
      element.removeEventListener('scroll', look);
      room.disconnect();
      cancelAnimationFrame(asked);
    };
  }, [total > PLAIN_MAX]);
  if (total <= PLAIN_MAX) return { from: 0, to: total };
  const from = Math.max(0, Math.min(top, total - inSight) - SPARE);
  return { from, to: Math.min(total, from + inSight + 2 * SPARE) };
}

/** One for all: a collator is dear to make. */
export const byText = new Intl.Collator('en', { numeric: true });

/** What is not known comes last, whichever way. Equals keep their order. */
function sortRows(rows, columns, { key, down }) {
  const value = columns.find((column) => column.key === key)?.value;
  if (value === undefined) return rows;
  const compare = (one, other) => (typeof one === 'string' ? byText.compare(one, other) : one - other);
  return rows
    .map((row) => [value(row), row])
    .sort(([one], [other]) => {
      if (one == null || other == null) return (one == null ? 1 : 0) - (other == null ? 1 : 0);
      return down ? compare(other, one) : compare(one, other);
    })
    .map(([, row]) => row);
}
