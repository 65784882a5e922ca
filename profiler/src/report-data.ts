/** What a report shows of a model's profiles, of one machine or of several side by side. Pure; drawn by `pages`. */
import { basename } from 'node:path';
import {
  costPerformance,
  givenBytes,
  isUsable,
  type Machine,
  type ModelProfile,
  perRequestMs,
  pointName,
  type ProfilePoint,
  type UsableEntry,
} from '@tetris/invoker-extension';
import {
  chosenOf,
  conversionLines,
  failures,
  type ReportOptions,
  size,
  variantRows,
  type VariantRow,
  verdict,
  worth,
} from './summary';
import { noiseOf } from './noise';
import { wskLine } from './wsk-line';

export interface DataOptions extends ReportOptions {
  /** Memory that cost is counted against, bytes; undefined: that of the smallest configuration. */
  baseBytes?: number;
  /** Money for one GB in use for one second; undefined: none is counted. */
  pricePerGbSecond?: number;
  /** How this is asked for again, as a command. */
  command?: string;
}

/** A configuration as measured, estimated or impossible. */
export interface ReportRow extends ProfilePoint {
  /** Index in {@link ReportData.machines}. */
  machine: number;
  name: string;
  source: UsableEntry['source'];
  chosen: boolean;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  throughput: number;
  loadMs: number;
  steadyBytes: number;
  peakBytes: number;
  limitBytes: number | undefined;
  /** Requests per second for each MiB of private memory. */
  worth: number;
  /** Memory x time of a request, 1 is the base; undefined without one. */
  cost: number | undefined;
  /** Of a million requests. */
  money: number | undefined;
  atMs: number | undefined;
  /** What makes the figures doubtful, in words. */
  noise: string | undefined;
}

export interface ReportMachine extends Machine {
  inputs: string;
  /** Of its newest row, epoch ms. */
  measuredMs: number | undefined;
  verdict: string;
  wsk: string | undefined;
  /** What cost is counted against, in words. */
  base: string | undefined;
  failures: ReturnType<typeof failures>;
  conversions: string[];
  variants: { shape: string; rows: Omit<VariantRow, 'entry'>[]; figures: ReportRow[] } | undefined;
}

export interface ReportData {
  model: { name: string; sha256: string; bytes: number };
  machines: ReportMachine[];
  rows: ReportRow[];
  options: DataOptions;
}

/** @param profiles of one model, at least one, each of another machine or of other inputs */
export function reportData(profiles: readonly ModelProfile[], options: DataOptions): ReportData {
  const [first] = profiles;
  if (first === undefined) throw new RangeError('a report is of at least one profile');
  const { sha256, bytes, name } = first;
  return {
    model: { name: basename(name), sha256, bytes },
    machines: profiles.map((profile) => machineOf(profile, options)),
    rows: profiles.flatMap((profile, machine) => rowsOf(profile, machine, options)),
    options,
  };
}

function machineOf(profile: ModelProfile, options: DataOptions): ReportMachine {
  const times = profile.entries.flatMap((entry) => (isUsable(entry) ? (entry.measurement.atMs ?? []) : []));
  const base = baseOf(profile, options);
  const chosen = chosenOf(profile, options);
  return {
    ...profile.machine,
    inputs: profile.inputs,
    measuredMs: times.length === 0 ? undefined : Math.max(...times),
    verdict: verdict(profile, options),
    wsk: chosen === undefined ? undefined : wskLine(profile, chosen, options.sloMs),
    base: base === undefined ? undefined : pointName(base.point),
    failures: failures(profile),
    conversions: conversionLines(profile),
    variants: variantsOf(profile, options),
  };
}

function rowsOf(profile: ModelProfile, machine: number, options: DataOptions): ReportRow[] {
  const chosen = chosenOf(profile, options);
  const base = baseOf(profile, options);
  return profile.entries.filter(isUsable).map((entry) => rowOf(entry, { machine, chosen, base, options }));
}

interface RowContext {
  machine: number;
  chosen: UsableEntry | undefined;
  base: UsableEntry | undefined;
  options: DataOptions;
}

function rowOf(entry: UsableEntry, { machine, chosen, base, options }: RowContext): ReportRow {
  const { point, source, measurement: m } = entry;
  return {
    ...point,
    ...{ machine, source, name: pointName(point), chosen: entry === chosen },
    ...{ p50Ms: m.p50Ms, p95Ms: m.p95Ms, p99Ms: m.p99Ms, throughput: m.throughput, loadMs: m.loadMs },
    ...{ steadyBytes: m.steadyBytes, peakBytes: m.peakBytes, limitBytes: m.limitBytes },
    worth: worth(entry),
    cost: base === undefined ? undefined : costPerformance(entry, base),
    money: moneyOf(entry, options),
    atMs: m.atMs,
    noise: source === 'measured' ? noiseOf(m) : undefined,
  };
}

const GB = 1024 ** 3;
const A_MILLION = 1e6;

/** Of a million requests: the memory that the instance is given, for as long as they take in it. */
function moneyOf(entry: UsableEntry, { pricePerGbSecond }: DataOptions): number | undefined {
  if (pricePerGbSecond === undefined) return undefined;
  return pricePerGbSecond * (givenBytes(entry) / GB) * (perRequestMs(entry) / 1000) * A_MILLION;
}

/** The smallest measured configuration of the plainest graph whose memory is the chosen size, or is nearest to it. */
function baseOf(profile: ModelProfile, { baseBytes }: DataOptions): UsableEntry | undefined {
  const measured = profile.entries.filter(isUsable).filter(({ source }) => source === 'measured');
  const distance = (entry: UsableEntry): number =>
    baseBytes === undefined ? 0 : Math.abs(givenBytes(entry) - baseBytes);
  const [base] = measured.sort((one, other) => distance(one) - distance(other) || size(one) - size(other));
  return base;
}

function variantsOf(profile: ModelProfile, options: DataOptions): ReportMachine['variants'] {
  const rows = variantRows(profile);
  const [first] = rows;
  if (first === undefined) return undefined;
  const { cpu, concurrency, threads, batch } = first.entry.point;
  const context = { machine: 0, chosen: undefined, base: undefined, options };
  return {
    shape: `cpu=${cpu} p=${concurrency} t=${threads} b=${batch}`,
    rows: rows.map(({ variant, sharedBytes, firstLoadMs }) => ({ variant, sharedBytes, firstLoadMs })),
    figures: rows.map(({ entry }) => rowOf(entry, context)),
  };
}
