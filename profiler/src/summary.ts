/** What the table and the page say of a profile. Pure. */
import { basename } from 'node:path';
import {
  choose,
  type Conversion,
  type ConversionResult,
  CONVERSIONS,
  GRAPH_VARIANTS,
  type GraphVariant,
  isConversion,
  isUsable,
  type Measurement,
  type ModelProfile,
  pointName,
  type UsableEntry,
} from '@tetris/invoker-extension';
import { noiseOf } from './noise';

export interface ReportOptions {
  /** Latency objective, ms; without one nothing is chosen. */
  sloMs?: number;
  /** MB that one core is worth. */
  alpha: number;
}

const MIB = 1024 ** 2;
export const mebibytes = (bytes: number): number => bytes / MIB;

/** Requests per second per MiB of private memory. */
export const worth = ({ measurement }: UsableEntry): number =>
  measurement.throughput / mebibytes(measurement.steadyBytes);

/** The memory limit in MiB; `wsk -m` takes as many, and calls them MB. */
export const limitText = ({ limitBytes }: Measurement): string =>
  limitBytes === undefined ? '-' : Math.ceil(mebibytes(limitBytes)).toFixed(0);

/** Best first. */
export function usable({ entries }: ModelProfile): UsableEntry[] {
  return entries.filter(isUsable).sort((one, other) => worth(other) - worth(one));
}

/** What is not possible, each reason once with the configurations that it stops. */
export function failures({ entries }: ModelProfile): { reason: string; points: string[] }[] {
  const reasons = new Map<string, string[]>();
  for (const entry of entries) {
    if (entry.source !== 'failed') continue;
    reasons.set(entry.reason, [...(reasons.get(entry.reason) ?? []), pointName(entry.point)]);
  }
  return [...reasons].map(([reason, points]) => ({ reason, points }));
}

export function chosenOf(profile: ModelProfile, { sloMs, alpha }: ReportOptions): UsableEntry | undefined {
  return sloMs === undefined ? undefined : choose(profile.entries, sloMs, alpha);
}

export function verdict(profile: ModelProfile, options: ReportOptions): string {
  const { sloMs } = options;
  const chosen = chosenOf(profile, options);
  if (!profile.entries.some(({ source }) => source !== 'estimated')) return 'Nothing was measured yet.';
  if (sloMs === undefined) return 'No latency objective given (--slo): nothing is chosen.';
  if (chosen === undefined) return `No configuration answers within ${sloMs} ms on this machine.${nearest(profile)}`;
  const { throughput, steadyBytes, limitBytes } = chosen.measurement;
  const limit = limitBytes === undefined ? '' : `, runs with a memory limit of ${limitText(chosen.measurement)} MiB`;
  const rate = `${throughput.toFixed(1)} requests/s in ${mebibytes(steadyBytes).toFixed(0)} MiB per instance`;
  const noise = noiseOf(chosen.measurement);
  const doubt = noise === undefined ? '' : ` But ${noise}.`;
  return `Within ${sloMs} ms: ${pointName(chosen.point)}, ${rate}${limit}.${doubt}`;
}

function nearest(profile: ModelProfile): string {
  const [fastest] = usable(profile)
    .filter(({ point }) => !isConversion(point.variant))
    .sort((one, other) => one.measurement.p95Ms - other.measurement.p95Ms);
  if (fastest === undefined) return '';
  return ` The fastest is ${pointName(fastest.point)} with ${fastest.measurement.p95Ms.toFixed(1)} ms (p95).`;
}

/** One form of the model beside the others. */
export interface VariantRow {
  variant: GraphVariant;
  entry: UsableEntry;
  sharedBytes: number | undefined;
  firstLoadMs: number | undefined;
}

/** The model's forms side by side in the smallest configuration that all of them were measured in. */
export function variantRows(profile: ModelProfile): VariantRow[] {
  const measured = profile.entries.filter(isUsable).filter(({ source }) => source === 'measured');
  const variants = GRAPH_VARIANTS.filter((variant) => measured.some(({ point }) => point.variant === variant));
  const shape = (entry: UsableEntry): string => pointName({ ...entry.point, variant: 'plain' });
  const common = measured.filter((entry) =>
    variants.every((variant) =>
      measured.some((other) => other.point.variant === variant && shape(other) === shape(entry)),
    ),
  );
  const [smallest] = common.sort((one, other) => size(one) - size(other));
  if (smallest === undefined || variants.length < 2) return [];
  return variants.flatMap((variant) => {
    const entry = common.find((each) => each.point.variant === variant && shape(each) === shape(smallest));
    const { tensorBytes, firstLoadMs } = profile;
    return entry === undefined
      ? []
      : [{ variant, entry, sharedBytes: tensorBytes[variant], firstLoadMs: firstLoadMs[variant] }];
  });
}

/** Cores x workers x threads x batch. */
export const size = ({ point: { cpu, concurrency, threads, batch } }: UsableEntry): number =>
  cpu * concurrency * threads * batch;

/** What the converted forms do to the model, in sentences. */
export function conversionLines(profile: ModelProfile): string[] {
  return CONVERSIONS.flatMap((form) => {
    const found = profile.conversions[form];
    return found === undefined ? [] : linesOf(form, found, profile);
  });
}

function linesOf(form: Conversion, found: ConversionResult, profile: ModelProfile): string[] {
  const { replaced, bytesBefore, bytesAfter, skipped } = found;
  const left = skipped.map(({ what, count, reason }) => `${count} x ${what}: ${reason}`);
  const rest = left.length === 0 ? [] : [`left as they are: ${left.join('; ')}`];
  if (replaced === 0) return [`${form}: nothing to convert.`, ...rest];
  const what = form === 'fp16' ? 'weights' : 'operators';
  const sizes = `${mebibytes(bytesBefore).toFixed(1)} MiB of weights become ${mebibytes(bytesAfter).toFixed(1)} MiB`;
  return [
    `${form}: ${replaced} ${what} converted, ${sizes} in the file.`,
    ...gainLines(form, profile),
    ...rest,
    ...deviationLines(found),
  ];
}

/** Less than this is no gain. */
const GAIN_MIN = 0.05;

/** What was measured of a form against the graph that is the default of every session. */
function gainLines(form: Conversion, profile: ModelProfile): string[] {
  const [own, usual] = [profile.tensorBytes[form], profile.tensorBytes.optimized];
  const rows = variantRows(profile);
  const p50 = (variant: GraphVariant): number | undefined =>
    rows.find((row) => row.variant === variant)?.entry.measurement.p50Ms;
  const parts = [
    ...gain('tensors in the store', 'no less memory', own, usual),
    ...gain('p50', 'no faster', p50(form), p50('optimized')),
  ];
  return parts.length === 0 ? [] : [`against optimized: ${parts.join(', ')}`];
}

function gain(figure: string, none: string, own: number | undefined, usual: number | undefined): string[] {
  if (own === undefined || usual === undefined || usual === 0) return [];
  const share = own / usual;
  return [`${figure} ${share.toFixed(2)} x${share > 1 - GAIN_MIN ? ` (${none})` : ''}`];
}

function deviationLines({ deviations, samples, reason }: ConversionResult): string[] {
  if (reason !== undefined) return [`its outputs could not be compared: ${reason}`];
  if (deviations.length === 0) return ['its outputs were not compared.'];
  return deviations.map(({ output, maxError, meanError, maxRelative, meanRelative, cosine, sameTop }) => {
    const top = sameTop === undefined ? '' : `, same largest in ${percent(sameTop)} of rows`;
    const errors = `error max ${maxError.toPrecision(2)} (${percent(maxRelative)}), mean ${meanError.toPrecision(2)} (${percent(meanRelative)})`;
    return `output ${output} over ${samples} inputs: ${errors}, cosine ${cosine.toFixed(5)}${top}`;
  });
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 2 : 0)} %`;

/** The model, the machine and the inputs in two sentences. */
export function subjectLines({ name, bytes, machine, inputs }: ModelProfile): string[] {
  const { cpu, cores, node, onnxruntime } = machine;
  return [
    `${basename(name)}, ${mebibytes(bytes).toFixed(1)} MiB${inputs === '' ? '' : `, inputs: ${inputs}`}`,
    `${cpu}, ${cores} cores, Node ${node}, onnxruntime ${onnxruntime}`,
  ];
}
