/**
 * The trial process: opens a model as an instance would, says what it is like, and runs it once. It reads what another
 * process wrote for a stranger's model, with the same native code, hence confined in the same way (see sandbox.ts).
 */
import { privateBytes } from '@tetris/common/environment';
import { errorMessage } from '@tetris/common/errors';
import { InferenceSession } from 'onnxruntime-node';
import { interfaceOf } from './model-interface';
import type { TrialJob, TrialLine } from './trial-job';
import { trialRun } from './trial-run';

/** onnxruntime's level for errors. */
const LOG_ERRORS = 3;

function optionsOf({ plain }: TrialJob): InferenceSession.SessionOptions {
  const common = {
    executionProviders: ['cpu'],
    logSeverityLevel: LOG_ERRORS,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  } as const;
  return plain === undefined
    ? { ...common, graphOptimizationLevel: 'disabled', enableMemPattern: false }
    : { ...common, ...plain };
}

async function main(): Promise<void> {
  const job = JSON.parse(process.argv[2] ?? '') as TrialJob;
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(job.modelPath, optionsOf(job));
  } catch (error) {
    await say({ loaded: false, reason: errorMessage(error) });
    return;
  }
  await say({ loaded: true, interface: interfaceOf(session), privateBytes: privateBytes() });
  if (!job.run) return;
  const first = await trialRun(session);
  await say(first);
  if (first.ran && job.digest !== undefined && first.digest !== job.digest) await say(await trialRun(session));
}

/** Resolves when the line is out: whatever follows may end the process. */
function say(line: TrialLine): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${JSON.stringify(line)}\n`, () => resolve()));
}

// Not a natural end: destroying the session costs time for nothing.
void main().then(() => process.exit(0));
