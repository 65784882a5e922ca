/** Builds a function instance: the only place that does. */
import type { WorkerStarter } from './inference/worker-starter';
import { trimAtRest, trimHeap } from './inference/trim';
import type { RuntimeConfig } from './keys';
import { interceptOnnxruntime } from './onnx/intercept';
import { MODULE_SYMBOL, type RuntimeModule } from './onnx/module-symbol';
import { onnxruntimePackages } from './onnx/packages';
import { type InstanceSettings, provideSettings, readInferenceSettings } from './onnx/settings';
import { type ActionCode, loadAction, type Main } from './proxy/action-loader';
import { PlainLog, TaggedLog } from './proxy/activation-log';
import { ActivationService } from './proxy/activation-service';
import { ActivationContext, activationEnvironment, activationTimes } from './proxy/context';
import { serve } from './proxy/server';
import { createWorkspace } from './proxy/workspace';
import { StartTrace } from './start-trace';

/**
 * @param nodeMs when this program's first line was run, since the start of the process
 * @returns once it answers `/init` and `/run`
 */
export async function serveInstance(config: RuntimeConfig, starter: WorkerStarter, nodeMs: number): Promise<void> {
  const trace = new StartTrace();
  trace.mark('node', nodeMs);
  const context = new ActivationContext();
  const environment = process.env;
  process.env = activationEnvironment(environment, context);
  const concurrent = environment['__OW_ALLOW_CONCURRENT']?.toLowerCase() === 'true';
  let sleep = async (): Promise<void> => trimHeap();
  const onSleep = (work: () => Promise<void>): void => void (sleep = work);
  const service = new ActivationService({
    context,
    log: config.logTags ? new TaggedLog(context) : new PlainLog(),
    concurrent,
    load: actionLoader({ config, environment, context, starter, trace, concurrent, onSleep }),
    environment,
    sleep: () => sleep(),
    onAnswered: trimAtRest,
  });
  // What no promise of user code caught ends its activation with an error; without one, the process, as Node does.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      if (service.uncaught(error)) return;
      console.error(error);
      process.exit(1);
    });
  }
  const server = await serve(service, trace, config);
  trace.mark('runtime', performance.now() - nodeMs);
  // Not before onnxruntime is set up, which whoever waits for this instance needs as much.
  if (config.warmUp) void starter.ready.then(() => preloadInference(config));
  process.once('SIGTERM', () => {
    server.close();
    process.exit(0);
  });
}

/* eslint-disable @typescript-eslint/no-require-imports -- in time, and within the bundle */
const runtimeModule = (): RuntimeModule => require('./onnx/runtime-module') as RuntimeModule;

/** Loads and compiles what stands behind that module, and what that needs. */
const preloadInference = (config: RuntimeConfig): void =>
  (require('./onnx/backend') as typeof import('./onnx/backend')).preload(config);
/* eslint-enable @typescript-eslint/no-require-imports */

interface LoaderParts {
  config: RuntimeConfig;
  environment: NodeJS.ProcessEnv;
  context: ActivationContext;
  starter: WorkerStarter;
  trace: StartTrace;
  concurrent: boolean;
  onSleep: InstanceSettings['onSleep'];
}

function actionLoader({ config, environment, context, starter, trace, concurrent, onSleep }: LoaderParts) {
  const packages = onnxruntimePackages();
  interceptOnnxruntime(packages);
  Object.defineProperty(globalThis, MODULE_SYMBOL, { value: runtimeModule });
  const workspace = createWorkspace(Object.values(packages));
  return async (action: ActionCode, settings: Readonly<Record<string, unknown>>): Promise<Main> => {
    const inference = readInferenceSettings(settings['tetris'], config.workersMax, concurrent);
    if (inference.room > 1) context.followCalls();
    provideSettings({
      config,
      folder: workspace.folder,
      namespace: environment['__OW_NAMESPACE'] ?? '',
      actionName: environment['__OW_ACTION_NAME'] ?? '',
      inference,
      activation: () => activationTimes(context.current()),
      starter,
      trace,
      onSleep,
    });
    const main = await loadAction(action, workspace, config, trace);
    void starter.endUnused();
    return main;
  };
}
