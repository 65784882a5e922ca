/** What the machine does at most: one large product of matrices in plain onnxruntime. */
import type { StockProcess } from '../measure/stock-process';
import { buildModel } from '../models/built-model';
import { GraphBuilder } from '../models/graph-builder';
import type { RunReport } from './instances';

/** Rows, inputs and outputs: large enough that nothing but the arithmetic counts. */
const SIZE = 2048;
const RUNS = 3;

/** Writes the model and returns its path. */
export async function buildProduct(folder: string): Promise<string> {
  const builder = new GraphBuilder('product', 1);
  const rows = builder.input({ name: 'rows', type: 'float32', dims: ['batch', SIZE], bound: 1 });
  builder.node('products', 'MatMul', [rows, builder.matrix('weight', [SIZE, SIZE], SIZE)]);
  builder.output('products', ['batch', SIZE]);
  return (await buildModel(builder.finish(), folder)).path;
}

/** Of its fastest run. @param process a plain process that measures nothing else */
export async function machineGflops(process: StockProcess, product: string, threads: number): Promise<number> {
  const { runMs } = await process.invoke<RunReport>({ model: product, threads, batch: SIZE, runs: RUNS });
  return (2 * SIZE ** 3) / (1e6 * Math.min(...runMs));
}
