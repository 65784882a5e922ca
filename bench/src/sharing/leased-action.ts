/**
 * The demo's action over leased views, by hand: what sharing gives with nothing around it. Runs in a process of its own
 * ({@link DaemonSite}); the load time that it reports includes the lease.
 */
import { DaemonClient } from '@tetris/common/daemon';
import { stat } from 'node:fs/promises';
import { InferenceSession } from 'onnxruntime-node';
import { join } from 'node:path';

const { TETRIS_BENCH_SOCKET: socket = '', TETRIS_BENCH_VIEWS: views = '' } = process.env;
const createFromFile = InferenceSession.create.bind(InferenceSession) as (
  path: string,
  options: InferenceSession.SessionOptions,
) => Promise<InferenceSession>;

async function createFromView(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession> {
  const { size, mtimeMs } = await stat(path);
  const source = { kind: 'file', path, bytes: size, mtimeMs } as const;
  const { view } = await new DaemonClient(socket).lease({ name: path, source });
  return createFromFile(join(views, view), { ...options, graphOptimizationLevel: 'disabled' });
}

InferenceSession.create = createFromView as typeof InferenceSession.create;

// eslint-disable-next-line @typescript-eslint/no-require-imports
export const { main } = require('../../actions/classify.js') as { main: (params: object) => Promise<object> };
