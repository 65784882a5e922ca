/**
 * Does our side answer as plain onnxruntime-node does? Pure: two answers in, a verdict out.
 *
 * Runs alone have to agree to the last bit. Joined runs are computed by other kernels, whose sums round otherwise:
 * where they differ from plain onnxruntime's single runs it is by no more than batching promises.
 */
import { jointDifference, type JointTensor } from '@tetris/action-runtime';
import { isFailure, type Answer, type Failure, type ModelReport, type RunReport, type WireTensor } from './work';

export type Verdict = 'equal' | 'refusedAlike' | 'differ' | 'refusedByOursOnly' | 'refusedByStockOnly' | 'crashed';

/** From the best to the worst: a model is as bad as the worst of its ways. */
export const VERDICTS: readonly Verdict[] = [
  'equal',
  'refusedAlike',
  'refusedByStockOnly',
  'differ',
  'refusedByOursOnly',
  'crashed',
];

export interface Comparison {
  verdict: Verdict;
  /** What is not equal, in words; undefined where nothing is. */
  detail?: string;
}

/** Do two tensors of one type and shape hold the same values? */
export type Same = (one: WireTensor, other: WireTensor) => boolean;

/**
 * Outputs that plain onnxruntime itself does not give alike in every run: by how much they may differ. Some draw random
 * numbers; in others the order of a sum follows from where the fed memory happens to begin.
 */
export type Unsteady = ReadonlyMap<string, Same>;

export function compareAnswers(ours: Answer, stock: Answer, unsteady: Unsteady = new Map()): Comparison {
  if (ours.outcome !== 'reported') {
    if (stock.outcome !== 'reported') return { verdict: 'refusedAlike', detail: `both: ${ours.detail}` };
    return { verdict: 'crashed', detail: `${ours.outcome}: ${ours.detail}` };
  }
  if (stock.outcome !== 'reported')
    return { verdict: 'refusedByStockOnly', detail: `${stock.outcome}: ${stock.detail}` };
  return compareReports(ours.report, stock.report, unsteady);
}

function compareReports(ours: ModelReport, stock: ModelReport, unsteady: Unsteady): Comparison {
  if (isFailure(ours.load) || isFailure(stock.load)) return compareRefusals('load', ours.load, stock.load);
  const names = JSON.stringify(ours.load) === JSON.stringify(stock.load);
  if (!names)
    return { verdict: 'differ', detail: `metadata: ${JSON.stringify(ours.load)} for ${JSON.stringify(stock.load)}` };
  const runs = [
    ...compareRuns('run', ours.alone, stock.alone, sameBits, unsteady),
    ...compareRuns('joined run', ours.joined, stock.joined, closeBits, unsteady),
  ];
  const released = JSON.stringify(ours.released) === JSON.stringify(stock.released);
  return worst([...runs, ...(released ? [] : [{ verdict: 'differ', detail: 'release' } as const])]);
}

function compareRuns(
  what: string,
  ours: readonly RunReport[] = [],
  stock: readonly RunReport[] = [],
  same: Same,
  unsteady: Unsteady,
): Comparison[] {
  return stock.map((expected, index): Comparison => {
    const actual = ours[index];
    const name = `${what} ${index}`;
    if (actual === undefined) return { verdict: 'differ', detail: `${name} is missing` };
    if (isFailure(actual) || isFailure(expected)) return compareRefusals(name, actual, expected);
    if (actual.unchanged !== expected.unchanged)
      return { verdict: 'differ', detail: `${name} changed what it was fed with` };
    const detail = differenceOf(actual.outputs, expected.outputs, same, unsteady);
    return detail === undefined ? { verdict: 'equal' } : { verdict: 'differ', detail: `${name}: ${detail}` };
  });
}

/** One of them is a refusal, or both are. */
function compareRefusals(what: string, ours: object, stock: object): Comparison {
  if (isFailure(ours) && isFailure(stock)) {
    if (shown(ours) === shown(stock)) return { verdict: 'refusedAlike', detail: `${what}: ${shown(ours)}` };
    return { verdict: 'differ', detail: `${what}: ${shown(ours)} for ${shown(stock)}` };
  }
  if (isFailure(ours)) return { verdict: 'refusedByOursOnly', detail: `${what}: ${shown(ours)}` };
  return { verdict: 'refusedByStockOnly', detail: `${what}: ${shown(stock as Failure)}` };
}

const shown = ({ error }: Failure): string => `${error.class}: ${error.message}`;

type Outputs = Readonly<Record<string, WireTensor>>;

function differenceOf(ours: Outputs, stock: Outputs, same: Same, unsteady: Unsteady): string | undefined {
  if (String(Object.keys(ours)) !== String(Object.keys(stock))) return `outputs ${String(Object.keys(ours))}`;
  for (const [name, expected] of Object.entries(stock)) {
    const actual = ours[name] ?? expected;
    const [one, other] = [actual, expected].map(
      ({ type, dims, array }) => `${array ?? 'texts'} of ${type} [${String(dims)}]`,
    );
    if (one !== other) return `output '${name}' is ${one} for ${other}`;
    if (!(unsteady.get(name) ?? same)(actual, expected))
      return `output '${name}': ${firstDifference(actual, expected)}`;
  }
  return undefined;
}

/** What two reports of plain onnxruntime, about the same work, do not have alike. */
export function unsteadyOutputs(one: Answer, other: Answer): Map<string, Same> {
  const unsteady = new Map<string, Same>();
  if (one.outcome !== 'reported' || other.outcome !== 'reported') return unsteady;
  const runs = ({ alone = [], joined = [] }: ModelReport): RunReport[] => [...alone, ...joined];
  const others = runs(other.report);
  for (const [index, run] of runs(one.report).entries()) {
    const mate = others[index];
    if (mate === undefined || isFailure(run) || isFailure(mate)) continue;
    for (const [name, tensor] of Object.entries(run.outputs)) {
      const expected = mate.outputs[name] ?? tensor;
      if (sameBits(tensor, expected)) continue;
      if (!closeBits(tensor, expected)) unsteady.set(name, anyValues);
      else if (!unsteady.has(name)) unsteady.set(name, closeBits);
    }
  }
  return unsteady;
}

/** Nothing but type and shape can be compared. */
export const anyValues: Same = () => true;

function sameBits(one: WireTensor, other: WireTensor): boolean {
  return one.data === other.data && JSON.stringify(one.texts) === JSON.stringify(other.texts);
}

/** What is no float has to be equal here too. */
function closeBits(one: WireTensor, other: WireTensor): boolean {
  if (sameBits(one, other)) return true;
  return jointDifference({ value: decoded(one) }, { value: decoded(other) }) === undefined;
}

function firstDifference(one: WireTensor, other: WireTensor): string {
  const [values, expected] = [one, other].map((tensor) =>
    Array.from<unknown>(decoded(tensor).data as ArrayLike<unknown>),
  );
  const index = expected?.findIndex((value, at) => !Object.is(value, values?.[at])) ?? 0;
  return `[${index}] is ${String(values?.[index])} for ${String(expected?.[index])}, of ${expected?.length}`;
}

const ARRAYS: Readonly<Record<string, new (buffer: ArrayBuffer) => Exclude<JointTensor['data'], string[]>>> = {
  Float32Array,
  Float64Array,
  Uint16Array,
  Int32Array,
  BigInt64Array,
};

/** Elements of other types byte by byte: they are only looked at to be told apart. */
function decoded({ type, dims, data, texts, array = '' }: WireTensor): JointTensor {
  const { buffer } = new Uint8Array(Buffer.from(data ?? '', 'base64'));
  return { type, dims, data: texts ?? new (ARRAYS[array] ?? Uint8Array)(buffer) } as JointTensor;
}

/** The worst of several, with its detail; equal where there are none. */
export function worst(comparisons: readonly Comparison[]): Comparison {
  const rank = ({ verdict }: Comparison): number => VERDICTS.indexOf(verdict);
  return comparisons.reduce((bad, next) => (rank(next) > rank(bad) ? next : bad), { verdict: 'equal' });
}
