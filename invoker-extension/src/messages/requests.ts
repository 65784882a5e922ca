/**
 * Bodies of `/init` and `/run`. Pure. Source: facts of OpenWhisk 6.1, 6.2; `C/core/entity/WhiskAction.scala`
 * containerInitializer.
 */
import { type Action, type ActivationMessage, TETRIS_KIND, transactionIdOf, valueOf } from '@tetris/common';
import type { InstanceSettings } from '../scaling/settings';
import type { ActivationJob } from './job';

/** Whether the identity's key is passed to user code: unless the annotation is there and falsy. */
export function providesApiKey({ annotations }: Pick<Action, 'annotations'>): boolean {
  const value = valueOf(annotations, 'provide-api-key');
  return value === undefined || (value !== false && value !== null && value !== 0 && value !== '');
}

/**
 * Body of `/init`.
 *
 * @param deadlineMs epoch ms
 * @param wakes the instance has answered before, and its process had ended
 */
export function initBody(
  { message, action }: ActivationJob,
  settings: InstanceSettings,
  deadlineMs: number,
  wakes = false,
): string {
  const env: Record<string, string> = {};
  const arguments_ = namedContent(message);
  for (const name of message.initArgs) if (Object.hasOwn(arguments_, name)) env[name] = asText(arguments_[name]);
  Object.assign(env, {
    __OW_NAMESPACE: message.user.namespace.name,
    __OW_ACTION_NAME: `/${action.namespace}/${action.name}`,
    __OW_ACTION_VERSION: action.version,
    __OW_ACTIVATION_ID: message.activationId,
    __OW_TRANSACTION_ID: transactionIdOf(message.transid),
    __OW_DEADLINE: String(deadlineMs),
    ...(apiKey(message, action) === undefined ? {} : { __OW_API_KEY: apiKey(message, action) }),
  });
  const { code, binary, main } = action.exec;
  return JSON.stringify({
    value: {
      name: action.name,
      main: main ?? 'main',
      binary,
      ...(code === undefined ? {} : { code }),
      env,
      ...(action.exec.kind === TETRIS_KIND
        ? { tetris: { ...tetrisSettings(action, settings), ...(wakes ? { wakes } : {}) } }
        : {}),
    },
  });
}

/** What the runtime wants to know of an instance's settings. */
function tetrisSettings({ limits }: Action, settings: InstanceSettings): Record<string, number | boolean> {
  const { room, workers, threads, batch, batchWaitMs, sloMs, padding } = settings;
  return {
    room,
    workers,
    threads,
    batch,
    batchWaitMs,
    memoryMb: limits.memory,
    ...(padding === true ? { padding } : {}),
    ...(sloMs === undefined ? {} : { sloMs }),
  };
}

/** Body of `/run`. @param deadlineMs epoch ms */
export function runBody({ message, action }: ActivationJob, deadlineMs: number): string {
  const key = apiKey(message, action);
  return JSON.stringify({
    value: runValue(message),
    namespace: message.user.namespace.name,
    action_name: `/${action.namespace}/${action.name}`,
    action_version: ('version' in message.action ? message.action.version : undefined) ?? null,
    activation_id: message.activationId,
    transaction_id: transactionIdOf(message.transid),
    deadline: String(deadlineMs),
    ...(key === undefined ? {} : { api_key: key }),
  });
}

/** The arguments less those that became environment at init. */
function runValue(message: ActivationMessage): unknown {
  if (Array.isArray(message.content)) return message.content;
  const initArgs = new Set(message.initArgs);
  return Object.fromEntries(Object.entries(namedContent(message)).filter(([name]) => !initArgs.has(name)));
}

function namedContent({ content }: ActivationMessage): Readonly<Record<string, unknown>> {
  return content == null || Array.isArray(content) ? {} : content;
}

function apiKey(message: ActivationMessage, action: Action): string | undefined {
  return providesApiKey(action) ? message.user.authkey.api_key : undefined;
}

/** An environment value: null is empty, strings are themselves, everything else is JSON. */
function asText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
