/** Why a pod was refused, does not start, or has ended: told apart by code. Pure. */
import { type ErrorCode, errorMessage, PluginError } from '@tetris/common';
import { statusOf } from './kubernetes-client';
import type { ContainerStatus, Pod } from './kubernetes-types';

/** The container of a pod in which the action runs; the same name as stock. */
export const ACTION_CONTAINER = 'user-action';

const FORBIDDEN = 403;
const INVALID = 422;

const IMAGE = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
]);
const UNSTARTABLE = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']);
/** Reasons of pods that somebody else ended for the sake of the node or of other pods. */
const EVICTED = new Set(['Evicted', 'Preempting', 'Preempted', 'NodeLost', 'NodeShutdown', 'Terminated', 'Shutdown']);
/** How kubelet refuses what does not fit on its node. */
const NODE_REFUSAL = /^(OutOf\w+|NodeAffinity|NodePorts|NodeName|UnexpectedAdmissionError)$/;

/** How a pod has ended. */
export interface PodEnd {
  code: Extract<ErrorCode, 'ERR_POD_EVICTED' | 'ERR_POD_NODE' | 'ERR_POD_ENDED' | 'ERR_POD_GONE'>;
  text: string;
  outOfMemory: boolean;
}

/** The API server's refusal of a pod under the code of its cause; anything else as it is. */
export function refusedPod(error: unknown): unknown {
  const status = statusOf(error);
  const text = errorMessage(error);
  const as = (code: ErrorCode, retriable = false): PluginError =>
    new PluginError(code, text, { cause: error, retriable });
  if (status === FORBIDDEN && /\bquota\b/i.test(text)) return as('ERR_POD_QUOTA', true);
  if (status === FORBIDDEN && /cannot create resource/.test(text)) return as('ERR_POD_FORBIDDEN');
  if (status === FORBIDDEN || status === INVALID) return as('ERR_POD_ADMISSION');
  // A webhook may say no under any other status.
  if (/admission webhook .* denied/.test(text)) return as('ERR_POD_ADMISSION');
  return error;
}

/** Why a pod that has not ended will not start; undefined while it still may. */
export function startFailure(pod: Pod): PluginError | undefined {
  const { reason = '', message = '' } = actionOf(pod)?.state?.waiting ?? {};
  const text = `${reason}: ${message}`;
  if (IMAGE.has(reason)) return new PluginError('ERR_POD_IMAGE', text, { retriable: true });
  if (UNSTARTABLE.has(reason)) return new PluginError('ERR_POD_ENDED', text);
  return undefined;
}

/** How a pod has ended; undefined while it has not. */
export function endOf(pod: Pod): PodEnd | undefined {
  const { phase, reason = '', message = '', conditions = [] } = pod.status ?? {};
  const terminated = actionOf(pod)?.state?.terminated;
  if (phase !== 'Failed' && phase !== 'Succeeded' && terminated === undefined) return undefined;
  const outOfMemory = terminated?.reason === 'OOMKilled';
  const disruption = conditions.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True');
  if (NODE_REFUSAL.test(reason)) return { code: 'ERR_POD_NODE', text: `${reason}: ${message}`, outOfMemory };
  if (EVICTED.has(reason) || disruption !== undefined) {
    const why = disruption === undefined ? `${reason}: ${message}` : `${disruption.reason}: ${disruption.message}`;
    return { code: 'ERR_POD_EVICTED', text: why, outOfMemory };
  }
  const exit = terminated === undefined ? reason : `${terminated.reason ?? ''} with ${terminated.exitCode ?? '?'}`;
  return { code: 'ERR_POD_ENDED', text: `its container ended: ${exit}`, outOfMemory };
}

/** What a pod that does not start in time waits for, as far as its status tells. */
export function whatItWaitsFor(pod: Pod | undefined): string {
  const unscheduled = pod?.status?.conditions?.find(
    ({ type, status }) => type === 'PodScheduled' && status === 'False',
  );
  if (unscheduled !== undefined) return `${unscheduled.reason}: ${unscheduled.message}`;
  const { reason, message } = (pod && actionOf(pod))?.state?.waiting ?? {};
  return reason === undefined ? `phase ${pod?.status?.phase ?? 'unknown'}` : `${reason}: ${message ?? ''}`;
}

/** Whether the pod waits for room on the node. */
export function isUnschedulable(pod: Pod | undefined): boolean {
  return (
    pod?.status?.conditions?.some(({ type, reason }) => type === 'PodScheduled' && reason === 'Unschedulable') ?? false
  );
}

function actionOf(pod: Pod): ContainerStatus | undefined {
  return pod.status?.containerStatuses?.find(({ name }) => name === ACTION_CONTAINER);
}
