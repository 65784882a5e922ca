/** The nodes that a placement did not take, and why. For people, after the decision: nothing is decided here. Pure. */
import { availableBytes, hasMemory, type Invoker } from '../fleet/invoker';
import type { Demand } from '../placement/similarity';

export interface Alternative {
  node: string;
  /** 0..1 */
  theta: number;
  freeBytes: number;
  why: 'no memory' | 'too much in flight' | 'fewer of its tensors' | 'less free memory';
}

/** Of more nodes nobody reads. */
const SHOWN = 3;

/** Those with the largest theta. @param chosen the invoker that was taken, theta of its node beside it */
export function alternativesTo(
  chosen: { invoker: Invoker; theta: number },
  invokers: readonly Invoker[],
  demand: Demand | undefined,
  inFlightMax: number,
): Alternative[] {
  const rows: Alternative[] = [];
  for (const invoker of invokers) {
    const { node, nodeIndex = -1, inFlight } = invoker;
    if (node === undefined || node === chosen.invoker.node) continue;
    const { overlap, held, totalBytes = 0 } = demand?.set ?? {};
    const theta = totalBytes === 0 ? 0 : (overlap?.[nodeIndex] ?? 0) / totalBytes;
    const row = { node, theta, freeBytes: Math.max(0, availableBytes(invoker)) };
    if (rows.length === SHOWN && !isBefore(row, rows.at(-1))) continue;
    const heldBytes = held?.[nodeIndex] ?? 0;
    const fits =
      demand === undefined ||
      hasMemory(invoker, { tensorBytes: totalBytes, privateBytes: demand.privateBytes, heldBytes });
    const why = !fits
      ? 'no memory'
      : inFlight >= inFlightMax
        ? 'too much in flight'
        : theta < chosen.theta
          ? 'fewer of its tensors'
          : 'less free memory';
    rows.push({ ...row, why });
    rows.sort((one, other) => (isBefore(one, other) ? -1 : 1));
    rows.length = Math.min(rows.length, SHOWN);
  }
  return rows;
}

type Rank = Pick<Alternative, 'theta' | 'freeBytes'>;
const isBefore = (one: Rank, other: Rank | undefined): boolean =>
  other === undefined || one.theta > other.theta || (one.theta === other.theta && one.freeBytes > other.freeBytes);
