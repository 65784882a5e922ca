/**
 * Runs an action as any Node process would: plain `require`, plain onnxruntime-node. Started by {@link StockProcess};
 * messages in are `{id, params}`, messages out `{id, result}` or `{id, error}`; and one before them, `{ready}`, with when the
 * process had started and when the action was there.
 */
const startedMs = performance.now();
import { errorMessage } from '@tetris/common/errors';

type Main = (params: unknown) => unknown;

const path = process.argv[2] ?? '';
// eslint-disable-next-line @typescript-eslint/no-require-imports
const { main } = require(path) as { main: Main };
process.send?.({ ready: { startedMs, requiredMs: performance.now() - startedMs } });

process.on('message', ({ id, params }: { id: number; params: unknown }) => {
  Promise.resolve()
    .then(() => main(params))
    .then(
      (result) => process.send?.({ id, result }),
      (error: unknown) => process.send?.({ id, error: errorMessage(error) }),
    );
});
process.on('disconnect', () => process.exit());
