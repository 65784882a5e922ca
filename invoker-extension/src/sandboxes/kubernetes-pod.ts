/**
 * The pod of one function instance. Source: OpenWhisk's `KubernetesContainerFactory`; what differs is said where it
 * does.
 */
import { PluginError } from '@tetris/common';
import type { ContainerSpec } from './container';
import { CONTAINER_PORT, mountedEnvironment, mountsOf, type NodePaths, TEMPORARY_INSIDE } from './container-paths';
import { pairs } from './docker-extra-args';
import type { KubernetesConfig } from './kubernetes-config';
import { ACTION_CONTAINER } from './kubernetes-failure';
import type { ObjectMeta, Pod, PodContainer, PodSpec, Volume } from './kubernetes-types';

/** What a pod depends on beside the container's own specification. */
export interface PodSettings extends NodePaths {
  config: KubernetesConfig;
  /** This invoker: unique in the namespace. Part of names and labels. */
  invoker: string;
  /** This life of the invoker: part of names, so that none meets a pod of an earlier life that is still ending. */
  life: string;
  extraSpec: Readonly<Record<string, unknown>>;
}

/** Whose pod it is: the selector of everything that an invoker reads and removes. */
export const INVOKER_LABEL = 'tetris.invoker';
/** The daemon's token. No label: it may end with a character that no label may end with. */
export const INSTANCE_ANNOTATION = 'tetris.instance';
/** Network and admission policies of stock and of this project's chart select action pods by it. */
const ACTION_LABEL = 'user-action-pod';

const NAME_CHARACTERS_MAX = 63;
const MIB = 1024 ** 2;

/** Fields of a pod's spec that an operator may add; the rest is this file's. */
const EXTRA_FIELDS = [
  'dnsConfig',
  'dnsPolicy',
  'hostAliases',
  'imagePullSecrets',
  'preemptionPolicy',
  'priorityClassName',
  'runtimeClassName',
  'schedulerName',
  'serviceAccountName',
  'tolerations',
];

/** @throws PluginError `ERR_CONFIG_INVALID` for text that is no JSON object, and for a field that may not be added */
export function parseExtraSpec(json: string): Readonly<Record<string, unknown>> {
  const invalid = (text: string): PluginError => new PluginError('ERR_CONFIG_INVALID', `kubernetesExtraSpec: ${text}`);
  let extra: unknown;
  try {
    extra = JSON.parse(json);
  } catch {
    throw invalid(`'${json}' is no JSON`);
  }
  if (typeof extra !== 'object' || extra === null || Array.isArray(extra)) throw invalid(`'${json}' is no JSON object`);
  const unknown = Object.keys(extra).filter((field) => !EXTRA_FIELDS.includes(field));
  if (unknown.length > 0) throw invalid(`${unknown.join(', ')} cannot be set; there are ${EXTRA_FIELDS.join(', ')}`);
  return extra as Record<string, unknown>;
}

export function podRequest(spec: ContainerSpec, settings: PodSettings): Pod {
  const { config, extraSpec } = settings;
  const mounts = mountsOf(spec, settings).map((mount, index) => ({ name: `node-${index}`, ...mount }));
  const volumes: Volume[] = [
    // A folder that is not there yet makes the pod wait, instead of being made by kubelet for root.
    ...mounts.map(({ name, source }): Volume => ({ name, hostPath: { path: source, type: 'Directory' } })),
    { name: 'tmp', emptyDir: { sizeLimit: String(config.kubernetesTmpBytesMax) } },
  ];
  const volumeMounts = [
    ...mounts.map(({ name, target }) => ({ name, mountPath: target, readOnly: true })),
    { name: 'tmp', mountPath: TEMPORARY_INSIDE },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadata(spec, settings),
    spec: {
      ...extraSpec,
      ...placement(config),
      // Unlike stock: a container that has ended is no longer initialised, so it must not start again by itself.
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: config.kubernetesGraceS,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { ...user(config.kubernetesUser), seccompProfile: { type: 'RuntimeDefault' } },
      volumes,
      containers: [{ ...container(spec, settings), volumeMounts }],
    },
  };
}

/** In the characters of a DNS label, at most 63 of them; the end is kept, which tells pods of one action apart. */
export function podName({ invoker, life }: Pick<PodSettings, 'invoker' | 'life'>, name: string): string {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9-]+/g, '-');
  const head = `wsktetris-${plain(invoker)}-${life}-`;
  return (head + plain(name)).slice(0, NAME_CHARACTERS_MAX).replace(/-+$/, '');
}

function metadata(spec: ContainerSpec, settings: PodSettings): ObjectMeta {
  const { invoker, config } = settings;
  const { kubernetesOwnerName: name, kubernetesOwnerUid: uid } = config;
  const owner = { apiVersion: 'v1', kind: 'Pod', name, uid, controller: false, blockOwnerDeletion: false };
  return {
    name: podName(settings, spec.name),
    // Not stock's `invoker` and `release`: a stock invoker deletes whatever bears its own.
    labels: { [ACTION_LABEL]: 'true', [INVOKER_LABEL]: invoker },
    annotations: { [INSTANCE_ANNOTATION]: spec.instance },
    ...(uid === '' ? {} : { ownerReferences: [owner] }),
  };
}

/** To this node: as the controller of DaemonSets does it, or past the scheduler. */
function placement({ kubernetesNode, kubernetesPlacement }: KubernetesConfig): Partial<PodSpec> {
  if (kubernetesPlacement === 'direct') return { nodeName: kubernetesNode };
  const here = { matchFields: [{ key: 'metadata.name', operator: 'In', values: [kubernetesNode] }] };
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [here] } };
  return { affinity: { nodeAffinity } };
}

function user(text: string): Record<string, unknown> {
  if (text === 'image') return {};
  const [runAsUser = 0, runAsGroup = runAsUser] = text.split(':').map(Number);
  return { runAsNonRoot: runAsUser !== 0, runAsUser, runAsGroup };
}

function container(spec: ContainerSpec, settings: PodSettings): PodContainer {
  const { config } = settings;
  const environment = { ...mountedEnvironment(spec, settings), ...pairs(config.kubernetesExtraEnv) };
  return {
    name: ACTION_CONTAINER,
    image: config.kubernetesImage,
    imagePullPolicy: config.kubernetesImagePull,
    env: Object.entries(environment).map(([name, value]) => ({ name, value })),
    ports: [{ containerPort: CONTAINER_PORT, name: 'action' }],
    resources: resources(spec, config),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: config.kubernetesReadOnlyRoot,
      capabilities: { drop: ['ALL'] },
    },
  };
}

/** Unlike stock, which requests the limit: the cluster then counts what instances really need of their own. */
function resources(
  { memoryBytes, expectedBytes, cpus }: ContainerSpec,
  config: KubernetesConfig,
): NonNullable<PodContainer['resources']> {
  const wanted = Math.max(config.kubernetesMemoryRequestMin, expectedBytes ?? memoryBytes);
  const cpuMillis = Math.min(config.kubernetesCpuRequestMillis, cpus === undefined ? Infinity : Math.ceil(cpus * 1000));
  return {
    requests: { memory: mebibytes(Math.min(wanted, memoryBytes)), cpu: `${cpuMillis}m` },
    limits: {
      memory: mebibytes(memoryBytes),
      ...(cpus === undefined ? {} : { cpu: `${Math.ceil(cpus * 1000)}m` }),
    },
  };
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / MIB)}Mi`;
