import { errorMessage, isPluginError } from '@tetris/common/errors';
import type { Outputs, RunInput, SessionInfo } from '../inference/protocol';
import { difference, tellApart } from './compare';
import { batchSymbol, joinable, type Joinable, joinInputs, splitOutputs } from './join';
import { Padding } from './padding';

type Run = (input: RunInput) => Promise<Outputs>;
type Outcome = PromiseSettledResult<Outputs>;

/** Keys whose checks are remembered; beyond that all are checked anew. */
const KEYS_MAX = 1024;

/** Joint runs of equal requests that are checked; nothing more is to be learned from such. */
const ALIKE_CHECKS = 3;

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
  /** What was checked, by key: a batch of differing requests, and how many at all. */
  readonly #checked = new Map<string, { differing: boolean; alike: number }>();
  #padding: Padding | undefined;
  #off: boolean;
  #checks = 0;

  /**
   * @param onOff told why this model is not joined any more, or not padded; a model without a batch axis is none to
   *   begin with
   * @param pads requests of unlike lengths may be padded, where the model has a mask
   */
  constructor(info: SessionInfo, onOff: (reason: string) => void, pads = false) {
    this.#info = info;
    this.#onOff = onOff;
    this.#off = batchSymbol(info) === undefined;
    this.#padding = pads ? Padding.of(info) : undefined;
  }

  /** Batches whose requests were run one by one beside or after the joint run. */
  get checks(): number {
    return this.#checks;
  }

  /** Undefined for a request that has to run alone. */
  joinable(input: RunInput): Joinable | undefined {
    return this.#off ? undefined : joinable(this.#info, input, this.#padding);
  }

  /** Runs requests of one key, together where that is sound; each has its own outcome. Consumes the inputs' buffers. */
  async run(
    key: string | undefined,
    inputs: readonly RunInput[],
    rows: readonly number[],
    run: Run,
  ): Promise<Outcome[]> {
    const lengths = inputs.map((input) => this.#padding?.lengthOf(input) ?? 0);
    const pads = new Set(lengths).size > 1;
    const alone = key === undefined || this.#off || inputs.length < 2 || !sameShapes(inputs, pads);
    if (alone) return oneByOne(inputs, run);
    let joint: Outputs[];
    try {
      joint = await this.#together(inputs, rows, pads ? lengths : undefined, run);
    } catch (error) {
      return this.#afterFailure(error, inputs, pads, run);
    }
    const checkKey = pads ? `${key} padded` : key;
    const differing = this.#differing(checkKey, inputs);
    // Another batch may have told meanwhile that the model mixes its rows.
    const sound = !this.#off && (!pads || this.#padding !== undefined);
    if (differing === undefined && sound) return joint.map((value) => ({ status: 'fulfilled', value }));
    const outcomes = await this.#verify(inputs, joint, pads, run);
    this.#note(checkKey, differing === true);
    return outcomes;
  }

  /** @param lengths of sequences, where they differ */
  async #together(
    inputs: readonly RunInput[],
    rows: readonly number[],
    lengths: readonly number[] | undefined,
    run: Run,
  ): Promise<Outputs[]> {
    const padding = this.#padding;
    if (lengths === undefined || padding === undefined) return splitOutputs(await run(joinInputs(inputs)), rows);
    const longest = Math.max(...lengths);
    const padded = inputs.map((input) => padding.padded(input, longest));
    const outputs = splitOutputs(await run(joinInputs(padded)), rows);
    return outputs.map((output, index) => padding.cut(output, lengths[index] ?? longest));
  }

  /** A worker that failed takes its requests along; any other error may be of one request alone. */
  async #afterFailure(error: unknown, inputs: readonly RunInput[], padded: boolean, run: Run): Promise<Outcome[]> {
    if (isPluginError(error, 'ERR_WORKER_FAILED')) return inputs.map(() => ({ status: 'rejected', reason: error }));
    this.#checks += 1;
    const outcomes = await oneByOne(inputs, run);
    if (outcomes.every(({ status }) => status === 'fulfilled')) this.#turnOff(errorMessage(error), padded);
    return outcomes;
  }

  /** Whether the requests differ, where the joint run is to be checked; undefined where it need not be. */
  #differing(key: string, inputs: readonly RunInput[]): boolean | undefined {
    const { differing, alike } = this.#checkedOf(key);
    if (differing) return undefined;
    const differ = tellApart(inputs);
    return !differ && alike >= ALIKE_CHECKS ? undefined : differ;
  }

  /** After the check, not before: another batch of the key may be under way in another worker. */
  #note(key: string, differing: boolean): void {
    const before = this.#checkedOf(key);
    if (this.#checked.size >= KEYS_MAX) this.#checked.clear();
    this.#checked.set(key, { differing: before.differing || differing, alike: before.alike + (differing ? 0 : 1) });
  }

  #checkedOf(key: string): { differing: boolean; alike: number } {
    return this.#checked.get(key) ?? { differing: false, alike: 0 };
  }

  async #verify(inputs: readonly RunInput[], joint: readonly Outputs[], padded: boolean, run: Run): Promise<Outcome[]> {
    this.#checks += 1;
    const outcomes = await oneByOne(inputs, run);
    outcomes.forEach((outcome, index) => {
      const other = outcome.status === 'fulfilled' ? difference(joint[index] ?? {}, outcome.value) : 'a request fails';
      if (other !== undefined) this.#turnOff(`run alone, ${other}`, padded);
    });
    return outcomes;
  }

  /** What went wrong with padding may go well without. */
  #turnOff(reason: string, padded: boolean): void {
    if (this.#off || (padded && this.#padding === undefined)) return;
    if (padded) this.#padding = undefined;
    else this.#off = true;
    this.#onOff(padded ? `with unlike lengths: ${reason}` : reason);
  }
}

/** Requests that were to be padded may still wait when padding has been turned off. */
function sameShapes(inputs: readonly RunInput[], pads: boolean): boolean {
  const shapes = inputs.map(({ feeds }) =>
    Object.values(feeds).map((fed) => ('tensor' in fed ? String(fed.tensor.dims.slice(1)) : '')),
  );
  return pads || new Set(shapes.map(String)).size === 1;
}

async function oneByOne(inputs: readonly RunInput[], run: Run): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const input of inputs) outcomes.push(...(await Promise.allSettled([run(input)])));
  return outcomes;
}
