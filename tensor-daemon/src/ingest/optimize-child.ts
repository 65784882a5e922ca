/**
 * The optimizer process: loads a model, lets onnxruntime optimize it, saves it with external data, runs it once, ends.
 * It parses a stranger's model with native code, hence a process of its own with limits (see sandbox.ts), which writes
 * into one private folder and is believed nothing: what it wrote is checked and hashed by the daemon.
 */
import { join } from 'node:path';
import { errorMessage } from '@tetris/common/errors';
import { InferenceSession } from 'onnxruntime-node';
import { interfaceOf } from './model-interface';
import { OPTIMIZED_DATA, OPTIMIZED_GRAPH, type OptimizeJob, type OptimizeOutcome } from './optimize-job';
import { type TrialOutcome, trialRun } from './trial-run';

/** onnxruntime's level for errors: its warnings are about models, and nobody reads them here. */
const LOG_ERRORS = 3;

async function optimize({ modelPath, outputFolder, graph, tensorBytesMin }: OptimizeJob): Promise<InferenceSession> {
  return InferenceSession.create(modelPath, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: graph.graphOptimizationLevel,
    freeDimensionOverrides: graph.freeDimensionOverrides,
    logSeverityLevel: LOG_ERRORS,
    // As instances load it: the saved packed forms must be those they will ask for.
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    optimizedModelFilePath: join(outputFolder, OPTIMIZED_GRAPH),
    extra: {
      session: {
        optimized_model_external_initializers_file_name: OPTIMIZED_DATA,
        optimized_model_external_initializers_min_size_in_bytes: String(tensorBytesMin),
        save_external_prepacked_constant_initializers: '1',
      },
    },
  });
}

/** Whether a model that could not be saved can be loaded all the same. */
async function loads({ modelPath, graph }: OptimizeJob): Promise<boolean> {
  try {
    await InferenceSession.create(modelPath, { ...graph, logSeverityLevel: LOG_ERRORS, intraOpNumThreads: 1 });
    return true;
  } catch {
    return false;
  }
}

async function main(): Promise<void> {
  const job = JSON.parse(process.argv[2] ?? '') as OptimizeJob;
  let session: InferenceSession;
  try {
    session = await optimize(job);
  } catch (error) {
    await say({ ok: false, reason: errorMessage(error), loads: await loads(job) });
    return;
  }
  await say({ ok: true, interface: interfaceOf(session) });
  if (job.run) await say(await trialRun(session));
}

/** Resolves when the line is out: whatever follows may end the process. */
function say(line: OptimizeOutcome | TrialOutcome): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${JSON.stringify(line)}\n`, () => resolve()));
}

// Not a natural end: destroying the session costs time for nothing.
void main().then(() => process.exit(0));
