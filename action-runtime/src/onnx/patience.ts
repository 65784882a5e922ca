import { NotShared } from './not-shared';

/** How long a load waits for the daemon. */
export interface Patience {
  /** Time without a word from the daemon, ms. */
  silenceMs: number;
  /** Time altogether, ms. */
  waitMs: number;
}

/** For what only the daemon can do. */
export const ENDLESS: Patience = { silenceMs: Infinity, waitMs: Infinity };

/** Timers take no more: 25 days. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Work of the daemon that tells when it goes on. */
export interface Progressing<T> {
  result: Promise<T>;
  /** Told of each word that comes. @returns takes the listener off again */
  onWord(listener: () => void): () => void;
}

/**
 * Waits for work as long as it is worth it; the work goes on. @throws NotShared `daemon-slow`, or what the work throws
 */
export async function waitFor<T>(work: Progressing<T>, { silenceMs, waitMs }: Patience): Promise<T> {
  let fail: (error: NotShared) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => (fail = reject));
  const giveUp = (text: string) => () => fail(new NotShared('daemon-slow', text));
  const unready = giveUp(`the tensor daemon was not ready within ${Math.round(waitMs)} ms`);
  const total = setTimeout(unready, Math.min(waitMs, TIMER_MS_MAX));
  const unheard = giveUp(`the tensor daemon said nothing for ${silenceMs} ms`);
  const silence = setTimeout(unheard, Math.min(silenceMs, TIMER_MS_MAX));
  const off = work.onWord(() => silence.refresh());
  try {
    return await Promise.race([work.result, failed]);
  } finally {
    off();
    clearTimeout(total);
    clearTimeout(silence);
  }
}
