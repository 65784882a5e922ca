/** Starts a function instance: the only place that builds things. */
import { errorMessage } from '@tetris/common/errors';
import { type RuntimeConfig, readRuntimeConfig } from './keys';
import { interceptOnnxruntime } from './onnx/intercept';
import { onnxruntimePackages } from './onnx/packages';
import { provideSettings, readInferenceSettings } from './onnx/settings';
import { type ActionCode, loadAction, type Main } from './proxy/action-loader';
import { PlainLog, TaggedLog } from './proxy/activation-log';
import { ActivationService } from './proxy/activation-service';
import { ActivationContext, activationEnvironment, activationTimes } from './proxy/context';
import { serve } from './proxy/server';
import { createWorkspace } from './proxy/workspace';

async function main(): Promise<void> {
  // Before the native library is loaded, whoever started this process.
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
  const config = readRuntimeConfig(process.env);
  const context = new ActivationContext();
  const environment = process.env;
  process.env = activationEnvironment(environment, context);
  const service = new ActivationService({
    context,
    log: config.logTags ? new TaggedLog(context) : new PlainLog(),
    concurrent: environment['__OW_ALLOW_CONCURRENT']?.toLowerCase() === 'true',
    load: actionLoader(config, environment, context),
    environment,
  });
  // What no promise of user code caught ends its activation with an error; without one, the process, as Node does.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      if (service.uncaught(error)) return;
      console.error(error);
      process.exit(1);
    });
  }
  const server = await serve(service, config.listen, config.bodyBytesMax);
  process.once('SIGTERM', () => {
    server.close();
    process.exit(0);
  });
}

function actionLoader(config: RuntimeConfig, environment: NodeJS.ProcessEnv, context: ActivationContext) {
  const packages = onnxruntimePackages();
  interceptOnnxruntime(packages);
  const workspace = createWorkspace(Object.values(packages));
  return async (action: ActionCode, settings: Readonly<Record<string, unknown>>): Promise<Main> => {
    const startup: Promise<unknown>[] = [];
    provideSettings({
      config,
      folder: workspace.folder,
      namespace: environment['__OW_NAMESPACE'] ?? '',
      actionName: environment['__OW_ACTION_NAME'] ?? '',
      inference: readInferenceSettings(settings['tetris'], config.workersMax),
      activation: () => activationTimes(context.current()),
      startup: (work) => startup.push(work),
    });
    const main = await loadAction(action, workspace, config);
    // What failed here fails again, with its reason, where it is needed.
    await Promise.allSettled(startup);
    // What starting left in this thread's heap is garbage: 2 MB less in an instance that holds a session.
    if (startup.length > 0) globalThis.gc?.();
    return main;
  };
}

main().catch((error: unknown) => {
  process.stderr.write(`tetris: the runtime did not start: ${errorMessage(error)}\n`);
  process.exit(1);
});
