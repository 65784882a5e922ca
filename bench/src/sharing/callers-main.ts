/** A process that asks a platform, in closed or open loop. Started by `Callers`. */
import { relativeError } from '../measure/statistics';
import { type Answer, Asker, SEEDS, type Target } from './asker';
import { openLoop } from './open-loop';
import type { ClosedLoop, Load, OpenLoop, Rate, Task } from './callers';

/** An answer may differ so much from that of a single run: batches take other paths through the kernels. */
const RELATIVE_ERROR_MAX = 1e-3;

async function ask(asker: Asker, index: number): Promise<Answer> {
  const answer = await asker.ask(index);
  if (answer === undefined) throw new Error('the platform refused a request of a closed loop');
  return answer;
}

/** Each caller asks again as soon as it was answered. */
async function closedLoop(asker: Asker, { callers, forMs, withinMs }: ClosedLoop): Promise<Rate> {
  const startMs = performance.now();
  let asked = 0;
  let answered = 0;
  let within = 0;
  const callsOf = async (): Promise<void> => {
    while (performance.now() - startMs < forMs) {
      const askedMs = performance.now();
      await ask(asker, asked++);
      answered += 1;
      if (performance.now() - askedMs <= withinMs) within += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, callsOf));
  const seconds = (performance.now() - startMs) / 1000;
  return { perSecond: answered / seconds, withinPerSecond: within / seconds };
}

async function load(asker: Asker, { times, references, inFlightMax, graceMs }: OpenLoop): Promise<Load> {
  let refused = 0;
  const before = process.cpuUsage();
  const send = async (index: number): Promise<boolean> => {
    const answer = await asker.ask(index);
    if (answer === undefined) refused += 1;
    return answer !== undefined && isRight(answer, references[index % SEEDS] ?? []);
  };
  const outcomes = await openLoop({ times, send, inFlightMax, graceMs });
  const { user, system } = process.cpuUsage(before);
  return { outcomes, refused, cpuMs: (user + system) / 1000 };
}

function isRight({ response }: Answer, reference: readonly number[]): boolean {
  return response.success && relativeError(response.result.logits ?? [], reference) <= RELATIVE_ERROR_MAX;
}

async function run(target: Target, task: Task): Promise<Rate | Load> {
  const asker = new Asker(target);
  try {
    return await (task.loop === 'closed' ? closedLoop(asker, task) : load(asker, task));
  } finally {
    await asker.close();
  }
}

process.on('message', (asked) => {
  const { target, task } = asked as { target: Target; task: Task };
  run(target, task).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
