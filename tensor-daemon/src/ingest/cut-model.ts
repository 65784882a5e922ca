import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { GraphOptions } from '@tetris/common';
import { faultPoint } from '../fault';
import type { ModelFiles } from '../source/model-files';
import { GRAPH_FILE } from '../store/layout';
import type { Reservation } from '../store/reclaimer';
import type { Stage } from '../store/stage';
import type { Store } from '../store/store';
import type { Tenant } from '../tenant';
import type { FlightControl } from './flights';
import { bytesIn, withRoom } from './growth';
import { optimizeInChild } from './optimize';
import type { OptimizeJob } from './optimize-job';
import { publishInThread } from './publish';
import type { PublishOutcome } from './publish-tensors';
import type { Sandbox } from './sandbox';
import { verifyCut } from './verify';

export interface CutOptions {
  ingestTimeoutMs: number;
  ingestTrialMs: number;
  tensorBytesMin: number;
  graphBytesMax: number;
}

/** What is to be cut. */
export interface CutJob {
  files: ModelFiles;
  graph: GraphOptions;
  tenant: Tenant;
  stage: Stage;
  /** Room for what is written, set aside for the size of the files. */
  room: Reservation;
}

/** Adds the tensors and the graph of a model to a stage. @throws PluginError as {@link Ingest.ingest} */
export type Cut = (job: CutJob, control: FlightControl) => Promise<PublishOutcome>;

/** Cuts with onnxruntime's optimizer in a confined process, then in a thread; what comes of it is verified. */
export function createCut(
  { layout, sync }: Pick<Store, 'layout' | 'sync'>,
  sandbox: Sandbox,
  options: CutOptions,
): Cut {
  const { ingestTimeoutMs, ingestTrialMs, tensorBytesMin, graphBytesMax } = options;
  return async ({ files, graph, tenant, stage, room }, { signal, tell }) => {
    const input = join(stage.work, 'input');
    mkdirSync(input);
    const modelPath = await files.stage(input, signal);
    faultPoint('ingest:staged');
    tell('optimize', 0, files.bytes);
    const run = ingestTrialMs > 0;
    const job: OptimizeJob = { modelPath, outputFolder: stage.work, graph, tensorBytesMin, run };
    const limits = { timeoutMs: ingestTimeoutMs, signal, ...(run && { afterFirstLineMs: ingestTrialMs }) };
    const original = await withRoom(stage.work, room, files.bytes, (full) =>
      optimizeInChild(job, sandbox, { ...limits, signal: AbortSignal.any([signal, full]) }),
    );
    faultPoint('ingest:optimized');
    await files.verify();
    await room.resize(bytesIn(stage.work));
    const cut = await publishInThread(
      {
        stage: stage.files.path,
        tensorsFolder: layout.tensors,
        tensorBytesMin,
        graphBytesMax,
        inputNames: original.interface.inputs.map((input) => input.name),
        sync,
        scope: tenant.scope,
      },
      (done, total) => tell('publish', done, total),
      signal,
    );
    faultPoint('ingest:cut');
    const opened = {
      graph: join(stage.files.model, GRAPH_FILE),
      tensors: cut.tensors.map(({ sha256 }) => stage.files.tensor(sha256)),
      tensorBytes: cut.tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    };
    await verifyCut(opened, original, job, sandbox, limits);
    return cut;
  };
}
