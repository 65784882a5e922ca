import { setTimeout as delay } from 'node:timers/promises';
import { type Action, isPluginError } from '@tetris/common';
import type { Cluster, Outcome } from './cluster';

/** What became of a stream of activations. */
export interface StreamReport {
  outcomes: Outcome[];
  /** Refused at once: nobody to take it (503) or no broker. The user knows, and no permit is held. */
  refused: number;
  /** Activations whose message may or may not have been written when the broker went away; the user got an error. */
  uncertain: Set<string>;
  /** Never answered until the controller gave up. */
  forced: Set<string>;
}

/** Invokes the action every `everyMs` until `work` is done, then waits for every answer. */
export async function streamDuring(
  cluster: Cluster,
  action: Action,
  everyMs: number,
  work: () => Promise<void>,
): Promise<StreamReport> {
  const report: StreamReport = { outcomes: [], refused: 0, uncertain: new Set(), forced: new Set() };
  const calls: Promise<void>[] = [];
  const call = async (n: number): Promise<void> => {
    const message = cluster.message(action, { n, ms: 20 });
    try {
      const sent = await cluster.controller.publish({ message, limits: action.limits });
      report.outcomes.push(await cluster.outcomeOf(sent, 100_000));
    } catch (error) {
      if (!isPluginError(error)) throw error;
      if (error.code === 'ERR_DEADLINE') {
        report.forced.add(message.activationId);
        return;
      }
      report.refused += 1;
      if (error.fields['written'] === 'unknown') report.uncertain.add(message.activationId);
    }
  };
  let going = true;
  const sending = (async (): Promise<void> => {
    for (let n = 0; going; n += 1) {
      calls.push(call(n));
      await delay(everyMs);
    }
  })();
  try {
    await work();
  } finally {
    going = false;
    await sending;
  }
  await Promise.all(calls);
  return report;
}
