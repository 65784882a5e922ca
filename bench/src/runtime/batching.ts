/** Throughput of one worker by joined runs over single ones, and how much there is to gain. */
import { median, relativeError, rounded, sum } from '../measure/statistics';
import type { StockProcess } from '../measure/stock-process';
import { buildModel } from '../models/built-model';
import { decoderStep } from '../models/decoder';
import type { ModelDefinition } from '../models/graph-builder';
import { transformer } from '../models/transformer';
import type { SuiteResult } from '../suite';
import { type Bench, startStock } from './bench';
import type { Instance, RunReport } from './instances';
import { buildProduct, machineGflops } from './machine-rate';

const BATCH = 8;
/** Callers that send one request after the other: as many wait for the next batch as are in one. */
const CALLERS = 2 * BATCH;
const CALLS = 3;
const ROUNDS = 3;
/** Of a worker; the same on both sides of each comparison. */
const THREADS = [1, 2];

/** A model that is served one example at a time. */
interface Served {
  model: string;
  definition: ModelDefinition;
  /** Rows that go through the weights' products for one example. */
  tokens: number;
}

/**
 * Encoders over 32 tokens: what is small enough to be served on a core by the dozen, and BERT base. A decoder that
 * makes the 32nd token from the keys and values of 31: its single run reads every weight for one row.
 */
const SERVED: readonly Served[] = [
  {
    model: 'MiniLM encoder (6 layers of 384), 32 tokens',
    definition: transformer('minilm', { layers: 6, hidden: 384, sequence: 32 }),
    tokens: 32,
  },
  {
    model: 'BERT base encoder (12 layers of 768), 32 tokens',
    definition: transformer('bert-32', { sequence: 32 }),
    tokens: 32,
  },
  {
    model: 'GPT-2 small decoder (12 layers of 768), one token after 31',
    definition: decoderStep('gpt2-step'),
    tokens: 1,
  },
];

interface BatchingRow {
  model: string;
  threads: number;
  /** Requests a second, joined, over one by one. */
  batchSpeedup: number;
  /** What plain onnxruntime gains by the same batch. */
  batchCeiling: number;
  /** What no way of running this model here can exceed: the machine's rate over that of the single runs. */
  batchBound: number;
  singlePerSecond: number;
  batchedPerSecond: number;
  /** Multiply-adds of the model's matrices in single runs, two operations each, and of the fastest product. */
  singleGflops: number;
  machineGflops: number;
  /** Of the joined answers, against the single ones. */
  batchRelativeError: number;
}

export async function batching(bench: Bench): Promise<SuiteResult> {
  const product = await buildProduct(bench.folder);
  const rows: BatchingRow[] = [];
  for (const served of SERVED) {
    for (const threads of THREADS) rows.push(await measure(bench, served, threads, product));
  }
  const [encoder, decoder] = [rows[0], rows.find(({ model }) => model === SERVED.at(-1)?.model)];
  if (encoder === undefined || decoder === undefined) throw new Error('nothing was measured');
  const { model, batchSpeedup, batchCeiling, batchBound, batchRelativeError } = encoder;
  return {
    batchModel: model,
    batchSpeedup,
    batchCeiling,
    batchBound,
    batchRelativeError,
    batchModelDecoder: decoder.model,
    batchSpeedupDecoder: decoder.batchSpeedup,
    batchCeilingDecoder: decoder.batchCeiling,
    batchBoundDecoder: decoder.batchBound,
    batching: rows,
  };
}

/** @param product for the machine's rate */
async function measure(
  bench: Bench,
  { model, definition, tokens }: Served,
  threads: number,
  product: string,
): Promise<BatchingRow> {
  process.stderr.write(`  ${model}, ${threads} threads\n`);
  const { path } = await buildModel(definition, bench.folder);
  const work = { model: path, threads };
  const single = await bench.instances.start();
  const joined = await bench.instances.start({ batch: BATCH, batchWaitMs: 10 });
  const [stock, machine] = [startStock(bench), startStock(bench)];
  // Loads, and verifies the first joint batch, before time counts.
  for (const instance of [single, joined]) await load(instance, work);
  await gain(stock, work);
  const alone: number[] = [];
  const together: number[] = [];
  const gains: number[] = [];
  const rates: number[] = [];
  let error = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const [one, all] = [await load(single, work), await load(joined, work)];
    alone.push(one.perSecond);
    together.push(all.perSecond);
    error = Math.max(error, ...all.reports.map((report, index) => differenceOf(report, one.reports[index])));
    gains.push(await gain(stock, work));
    rates.push(await machineGflops(machine, product, threads));
  }
  await Promise.all([single.stop(), joined.stop(), stock.stop(), machine.stop()]);
  const ofSingle = (median(alone) * operations(definition, tokens)) / 1e9;
  return {
    model,
    threads,
    batchSpeedup: rounded(median(together) / median(alone)),
    batchCeiling: rounded(median(gains)),
    batchBound: rounded(Math.max(...rates) / ofSingle),
    singlePerSecond: rounded(median(alone), 1),
    batchedPerSecond: rounded(median(together), 1),
    singleGflops: rounded(ofSingle, 1),
    machineGflops: rounded(Math.max(...rates), 1),
    batchRelativeError: error,
  };
}

/**
 * Of one example in the products with weights, so rather too few: what attention multiplies is 1 to 2 % more. The head
 * looks at one token.
 */
function operations({ weights }: ModelDefinition, tokens: number): number {
  const products = weights.filter(({ dims }) => dims.length === 2);
  const sizes = products.map(({ name, dims: [rows = 0, columns = 0] }) =>
    name.startsWith('head.') ? rows * columns : tokens * rows * columns,
  );
  return 2 * sum(sizes);
}

/** Plain onnxruntime called with a batch, over as many calls of one. */
async function gain(stock: StockProcess, work: object): Promise<number> {
  const { runMs: one } = await stock.invoke<RunReport>({ ...work, runs: BATCH });
  const { runMs: all } = await stock.invoke<RunReport>({ ...work, batch: BATCH, runs: 2 });
  return (BATCH * median(one)) / median(all);
}

async function load(instance: Instance, work: object): Promise<{ perSecond: number; reports: RunReport[] }> {
  const start = performance.now();
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    const reports: RunReport[] = [];
    for (let call = 0; call < CALLS; call += 1) {
      reports.push(await instance.run({ ...work, seed: caller * CALLS + call + 1 }));
    }
    return reports;
  });
  const reports = (await Promise.all(callers)).flat();
  return { perSecond: (1000 * reports.length) / (performance.now() - start), reports };
}

function differenceOf(joined: RunReport, single: RunReport | undefined): number {
  const numbers = ({ logits, lasts }: RunReport): number[] => [...logits, ...lasts];
  return single === undefined ? Infinity : relativeError(numbers(joined), numbers(single));
}
