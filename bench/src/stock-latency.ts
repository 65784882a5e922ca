/** What plain onnxruntime does with each of the builder's models: the ground every other figure stands on. */
import { removeFolder, temporaryFolder } from '@tetris/common';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processMemory } from './measure/process-memory';
import { median, megabytes, rounded } from './measure/statistics';
import { StockProcess } from './measure/stock-process';
import { buildModel } from './models/built-model';
import type { ModelDefinition } from './models/graph-builder';
import { resnet } from './models/resnet';
import { convnet, perceptron } from './models/small-models';
import { transformer } from './models/transformer';
import type { Suite, SuiteResult } from './suite';

const ACTION_PATH = join(__dirname, '../actions/classify.js');

/** Fresh processes a model, and runs in each. */
const PROCESSES = 3;
const RUNS = 10;

const MODELS: readonly { definition: ModelDefinition; shape: readonly number[] }[] = [
  { definition: perceptron('perceptron'), shape: [64] },
  { definition: convnet('convnet'), shape: [3, 64, 64] },
  { definition: resnet('resnet50'), shape: [3, 224, 224] },
  { definition: transformer('bert'), shape: [64, 768] },
];

interface Report {
  loadMs: number;
  runMs: number[];
}

async function measure(model: string, shape: readonly number[]): Promise<Report & { ownBytes: number }> {
  const stock = new StockProcess(ACTION_PATH);
  try {
    const report = await stock.invoke<Report>({ model, shape, runs: RUNS });
    return { ...report, ...processMemory([stock.pid]) };
  } finally {
    await stock.stop();
  }
}

async function run(): Promise<SuiteResult> {
  const folder = await temporaryFolder(tmpdir());
  try {
    const models: Record<string, unknown>[] = [];
    for (const { definition, shape } of MODELS) {
      const model = await buildModel(definition, folder);
      process.stderr.write(`${model.name}: ${megabytes(model.bytes).toFixed(1)} MB\n`);
      const reports = [];
      for (let process = 0; process < PROCESSES; process += 1) reports.push(await measure(model.path, shape));
      models.push({
        name: model.name,
        modelMb: rounded(megabytes(model.bytes), 1),
        loadMs: rounded(median(reports.map((report) => report.loadMs)), 1),
        firstRunMs: rounded(median(reports.map((report) => report.runMs[0] ?? NaN)), 1),
        runMs: rounded(median(reports.flatMap((report) => report.runMs.slice(1))), 2),
        processMb: rounded(megabytes(median(reports.map((report) => report.ownBytes))), 1),
      });
    }
    return { intraOpThreads: 1, models };
  } finally {
    await removeFolder(folder);
  }
}

export const suite: Suite = { run };
