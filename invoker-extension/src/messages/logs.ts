/** Logs of the activations of one instance. Source: facts of OpenWhisk 4.4, 6.3; `DockerToActivationLogStore.scala`. */
import { TEXTS } from './texts';
import type { LogLine } from '../sandboxes/container';
import { readTag } from '../sandboxes/log-lines';

export const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';

/** How long to wait for the sentinels: between two lines, and in all per MB of the limit (at least 5). */
export interface LogWaits {
  /** @default 2000 */
  betweenLinesMs: number;
}

export interface CollectedLogs {
  lines: string[];
  /** False where the sentinels did not come: the container's streams can no longer be trusted. */
  complete: boolean;
}

/** What has come in for one activation. */
interface Collection {
  bytesMax: number;
  bytes: number;
  lines: string[];
  truncated: boolean;
  sentinels: number;
  onLine: (() => void) | undefined;
}

const MIB = 1024 ** 2;

/** Stock does not wait at all after a developer error; the error's own lines are worth a moment. */
const ERROR_WAIT_MS = 100;

export class InstanceLogs {
  readonly #waits: LogWaits;
  /** In order of opening: a line without a tag belongs to the oldest. */
  readonly #open = new Map<string, Collection>();
  #ended = false;

  constructor(waits: LogWaits) {
    this.#waits = waits;
  }

  /** From now on lines of this activation are kept, up to its limit. */
  open(activationId: string, limitMb: number): void {
    const bytesMax = limitMb * MIB;
    this.#open.set(activationId, { bytesMax, bytes: 0, lines: [], truncated: false, sentinels: 0, onLine: undefined });
  }

  /** The activation goes elsewhere: its lines are of no interest. */
  discard(activationId: string): void {
    this.#open.delete(activationId);
  }

  /** One line of the container's output. */
  line({ atMs, stream, text: raw }: LogLine): void {
    const { activationId, text } = readTag(raw);
    const collection = activationId === undefined ? this.#open.values().next().value : this.#open.get(activationId);
    if (collection === undefined) return;
    if (text.includes(SENTINEL)) collection.sentinels += 1;
    else keep(collection, formatLine(atMs, stream, text), Buffer.byteLength(text));
    collection.onLine?.();
  }

  /** The container has ended: nothing more will come. */
  end(): void {
    this.#ended = true;
    for (const collection of this.#open.values()) collection.onLine?.();
  }

  /**
   * Ends an activation's collection and gives its lines.
   * @param waits false after a developer error: what comes within {@link ERROR_WAIT_MS} is taken, with a warning line
   */
  async close(activationId: string, waits: boolean, nowMs: () => number): Promise<CollectedLogs> {
    const collection = this.#open.get(activationId);
    if (collection === undefined) return { lines: [], complete: true };
    const { betweenLinesMs } = this.#waits;
    const totalMs = waits ? betweenLinesMs * Math.max(5, collection.bytesMax / MIB) : ERROR_WAIT_MS;
    const came = await this.#sentinels(collection, Math.min(betweenLinesMs, totalMs), totalMs);
    const complete = came || !waits;
    this.#open.delete(activationId);
    const lines = collection.lines;
    const notice = (text: string): void => void lines.push(formatLine(nowMs(), 'stderr', text));
    if (collection.truncated) notice(TEXTS.truncatedLogs(collection.bytesMax));
    if (!complete) notice(TEXTS.logFailure);
    if (!waits) notice(TEXTS.logDeveloperError);
    return { lines, complete };
  }

  /** True when both sentinels came in time. */
  async #sentinels(collection: Collection, betweenLinesMs: number, totalMs: number): Promise<boolean> {
    const deadline = performance.now() + totalMs;
    while (collection.sentinels < 2) {
      const leftMs = Math.min(betweenLinesMs, deadline - performance.now());
      if (this.#ended || leftMs <= 0 || !(await nextLine(collection, leftMs))) return collection.sentinels >= 2;
    }
    return true;
  }
}

/** True when a line came within the time. */
function nextLine(collection: Collection, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), withinMs);
    collection.onLine = () => {
      clearTimeout(timer);
      resolve(true);
    };
  });
}

function keep(collection: Collection, line: string, bytes: number): void {
  if (collection.truncated) return;
  if (collection.bytes + bytes > collection.bytesMax) {
    collection.truncated = true;
    return;
  }
  collection.bytes += bytes;
  collection.lines.push(line);
}

/** `2026-01-01T00:00:00.250000000Z stdout: text`: a timestamp of 30 columns. */
export function formatLine(atMs: number, stream: string, text: string): string {
  return `${new Date(atMs).toISOString().replace('Z', '000000Z')} ${stream}: ${text.trimEnd()}`;
}
