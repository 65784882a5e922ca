import type { ModelProto } from '@tetris/onnx-format/messages';

/**
 * How large the numbers of integer inputs may be: an input that picks rows of a table is bounded by the table's rows.
 * Of other inputs nothing is known.
 */
export function vocabulariesOf({ graph }: ModelProto): Record<string, number> {
  const inputs = new Set(graph?.input.map(({ name }) => name));
  const tables = new Map(graph?.initializer.map(({ name, dims }) => [name, Number(dims[0] ?? 0)]));
  const bounds: Record<string, number> = {};
  for (const { opType, input, attribute } of graph?.node ?? []) {
    const [table = '', picked = ''] = input;
    const rows = tables.get(table) ?? 0;
    const axis = Number(attribute.find(({ name }) => name === 'axis')?.i ?? 0n);
    if (opType !== 'Gather' || axis !== 0 || !inputs.has(picked) || rows < 1) continue;
    bounds[picked] = Math.min(bounds[picked] ?? rows, rows);
  }
  return bounds;
}
