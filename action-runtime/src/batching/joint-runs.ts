import { errorMessage, isPluginError } from '@tetris/common/errors';
import type { Outputs, RunInput, SessionInfo } from '../inference/protocol';
import { difference, tellApart } from './compare';
import { batchSymbol, joinable, type Joinable, joinInputs, splitOutputs } from './join';

type Run = (input: RunInput) => Promise<Outputs>;
type Outcome = PromiseSettledResult<Outputs>;

/** Keys remembered as verified; beyond that all are verified anew. */
const VERIFIED_MAX = 1024;

/**
 * Joint runs of one model.
 *
 * The first joint batch of each shape whose requests differ is also run one by one; the single results are the ones
 * given, and where the joint ones differ the model is never joined again. The same where a joint run fails though each
 * of its requests succeeds alone. So a model that mixes its rows, or has a batch of one built in, answers as it would
 * without us.
 */
export class JointRuns {
  readonly #info: SessionInfo;
  readonly #onOff: (reason: string) => void;
  readonly #verified = new Set<string>();
  #off: boolean;

  /** @param onOff told once, why this model is not joined any more; a model without a batch axis is none to begin with */
  constructor(info: SessionInfo, onOff: (reason: string) => void) {
    this.#info = info;
    this.#onOff = onOff;
    this.#off = batchSymbol(info) === undefined;
  }

  /** Undefined for a request that has to run alone. */
  joinable(input: RunInput): Joinable | undefined {
    return this.#off ? undefined : joinable(this.#info, input);
  }

  /** Runs requests of one key, together where that is sound; each has its own outcome. Consumes the inputs' buffers. */
  async run(
    key: string | undefined,
    inputs: readonly RunInput[],
    rows: readonly number[],
    run: Run,
  ): Promise<Outcome[]> {
    if (key === undefined || this.#off || inputs.length < 2) return oneByOne(inputs, run);
    let joint: Outputs[];
    try {
      joint = splitOutputs(await run(joinInputs(inputs)), rows);
    } catch (error) {
      return this.#afterFailure(error, inputs, run);
    }
    if (this.#verified.has(key)) return joint.map((value) => ({ status: 'fulfilled', value }));
    return this.#verify(key, inputs, joint, run);
  }

  /** A worker that failed takes its requests along; any other error may be of one request alone. */
  async #afterFailure(error: unknown, inputs: readonly RunInput[], run: Run): Promise<Outcome[]> {
    if (isPluginError(error, 'ERR_WORKER_FAILED')) return inputs.map(() => ({ status: 'rejected', reason: error }));
    const outcomes = await oneByOne(inputs, run);
    if (outcomes.every(({ status }) => status === 'fulfilled')) this.#turnOff(errorMessage(error));
    return outcomes;
  }

  async #verify(key: string, inputs: readonly RunInput[], joint: readonly Outputs[], run: Run): Promise<Outcome[]> {
    const telling = tellApart(inputs);
    const outcomes = await oneByOne(inputs, run);
    outcomes.forEach((outcome, index) => {
      const other = outcome.status === 'fulfilled' ? difference(joint[index] ?? {}, outcome.value) : 'a request fails';
      if (other !== undefined) this.#turnOff(`run alone, ${other}`);
    });
    if (this.#verified.size >= VERIFIED_MAX) this.#verified.clear();
    if (telling) this.#verified.add(key);
    return outcomes;
  }

  #turnOff(reason: string): void {
    if (this.#off) return;
    this.#off = true;
    this.#onOff(reason);
  }
}

async function oneByOne(inputs: readonly RunInput[], run: Run): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const input of inputs) outcomes.push(...(await Promise.allSettled([run(input)])));
  return outcomes;
}
