/** Function instances on a test's own engine: a factory with its configuration, and OpenWhisk's two requests. */
import { createLogger, readConfig, configSchema } from '@tetris/common';
import {
  type Container,
  type ContainerReply,
  type ContainerSpec,
  DOCKER_KEYS,
  DockerFactory,
  type DockerFactoryOptions,
  type LogLine,
} from '@tetris/invoker-extension';
import { type Engine, RUNTIME_IMAGE } from './engine';

const MIB = 1024 ** 2;
const CALL_TIMEOUT_MS = 30_000;

/** A factory on the engine. `keys`: `dockerPidsMax` and the like, as they would stand in the environment. */
export function dockerFactory(
  engine: Engine,
  { keys = {}, ...options }: { keys?: Record<string, unknown> } & Partial<Omit<DockerFactoryOptions, 'config'>> = {},
): DockerFactory {
  const overrides = { dockerSocketPath: engine.socketPath, dockerImage: RUNTIME_IMAGE, ...keys };
  return new DockerFactory({
    config: readConfig(configSchema('invoker', DOCKER_KEYS), {}, overrides),
    invoker: '0',
    userMemoryBytes: 2048 * MIB,
    log: createLogger('invoker', 'silent'),
    ...options,
  });
}

let specs = 0;

/** A specification with a name and token of its own. */
export function containerSpec(change: Partial<ContainerSpec> = {}): ContainerSpec {
  specs += 1;
  return {
    name: `${specs}_guest_action`,
    kind: 'nodejs:tetris',
    memoryBytes: 256 * MIB,
    instance: `test-token-${String(specs).padStart(8, '0')}`,
    env: { __OW_API_HOST: 'http://127.0.0.1:1', __OW_ALLOW_CONCURRENT: 'true' },
    ...change,
  };
}

/** Collects the container's output. */
export function collectLogs(container: Container): LogLine[] {
  const lines: LogLine[] = [];
  container.onLog((line) => lines.push(line));
  return lines;
}

/** `/init` with a module that exports `main`, or an archive in base64. @throws Error when the reply is not 200 */
export async function initialise(container: Container, code: string, binary = false): Promise<void> {
  const body = JSON.stringify({ value: { name: 'action', main: 'main', binary, code, env: {} } });
  const reply = await container.post('/init', body, { timeoutMs: CALL_TIMEOUT_MS, replyBytesMax: MIB });
  if (reply.outcome !== 'answered' || reply.status !== 200) throw new Error(`/init: ${JSON.stringify(reply)}`);
}

/** `/run`; resolves to whatever came of it. */
export function invoke(
  container: Container,
  value: Record<string, unknown> = {},
  { activationId = '0'.repeat(32), timeoutMs = CALL_TIMEOUT_MS } = {},
): Promise<ContainerReply> {
  const body = JSON.stringify({ value, activation_id: activationId, deadline: String(Date.now() + timeoutMs) });
  return container.post('/run', body, { timeoutMs, replyBytesMax: MIB });
}

/** The result of a `/run` that succeeded. @throws Error with the reply otherwise */
export async function resultOf(reply: Promise<ContainerReply>): Promise<Record<string, unknown>> {
  const settled = await reply;
  if (settled.outcome !== 'answered' || settled.status !== 200) throw new Error(`/run: ${JSON.stringify(settled)}`);
  const result = JSON.parse(settled.body) as Record<string, unknown>;
  if ('error' in result) throw new Error(`/run: ${settled.body}`);
  return result;
}
