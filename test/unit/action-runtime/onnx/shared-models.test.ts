import { type DaemonClient, PluginError } from '@tetris/common';
import type { DaemonModel } from '../../../../action-runtime/src/onnx/daemon-model';
import { NotShared } from '../../../../action-runtime/src/onnx/not-shared';
import { SharedModels } from '../../../../action-runtime/src/onnx/shared-models';

const SETTINGS = {
  views: '/views',
  instance: 'token',
  namespace: 'guest',
  actionName: '/guest/classify',
  retryMs: 1,
  retriesMax: 1,
  busyRetryMs: 1,
  busyAttemptsMax: 500,
};
const MODEL = { source: { kind: 'digest', sha256: 'a'.repeat(64), externalData: [] }, uploads: [] } as DaemonModel;
const GRAPH = { graphOptimizationLevel: 'all', freeDimensionOverrides: {} } as const;
const patience = (waitMs: number) => ({ silenceMs: Infinity, waitMs });

const asked = (lease: DaemonClient['lease']): Promise<unknown> =>
  new SharedModels({ lease } as unknown as DaemonClient, SETTINGS)
    .acquire('model.onnx', MODEL, GRAPH, patience(30))
    .catch((error: unknown) => error);

describe('SharedModels', () => {
  it('expected failure: tells what a busy daemon has said when patience ends, not that it was slow', async () => {
    const full = new PluginError('ERR_STORE_FULL', 'the store is full', { retriable: true });
    expect(await asked(() => Promise.reject(full))).toBe(full);
  });

  it('expected failure: says that the daemon was slow where it has said nothing', async () => {
    const error = await asked(() => new Promise(() => undefined));
    expect(error).toBeInstanceOf(NotShared);
    expect(error).toMatchObject({ reason: 'daemon-slow' });
  });
});
