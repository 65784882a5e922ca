import { key } from '@tetris/common';

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The keys of the Kubernetes factory; part of the invoker's schema. */
export const KUBERNETES_KEYS = {
  kubernetesUrl: key.text('https://kubernetes.default.svc', 'URL', "The cluster's API server."),
  kubernetesTokenPath: key.text(
    `${ACCOUNT}/token`,
    'path',
    'File of the bearer token, read again each minute because it rotates. `none`: requests carry none.',
  ),
  kubernetesCaPath: key.text(`${ACCOUNT}/ca.crt`, 'path', 'Authority of the API server, PEM; used for https only.'),
  kubernetesNamespace: key.text('openwhisk', 'text', 'Namespace of the pods.'),
  kubernetesNode: key.text('', 'text', 'Name of the own node, where all pods run. Needed for Kubernetes pods.'),
  kubernetesOwnerName: key.text(
    '',
    'text',
    "The invoker's own pod: pods of instances are its, and go when it is deleted.",
  ),
  kubernetesOwnerUid: key.text('', 'text', 'uid of that pod. Empty: pods have no owner.'),
  kubernetesClaimInstance: key.flag(
    false,
    'Take the lowest index that no other node has, from instance upwards, by a Lease of the namespace; it stays with the node.',
  ),
  kubernetesImage: key.text('tetris/action-nodejs-tetris:latest', 'text', 'Image of every kind served.'),
  kubernetesImagePull: key.oneOf(
    ['IfNotPresent', 'Never', 'Always'],
    'IfNotPresent',
    'When the image is pulled, as imagePullPolicy.',
  ),
  kubernetesUser: key.text(
    '1000:1000',
    'text',
    'User and group of the containers; `image`: the one that the image names.',
  ),
  kubernetesReadOnlyRoot: key.flag(false, 'Read-only root file system; /tmp stays writable.'),
  kubernetesTmpBytesMax: key.bytes('256m', 'Size of /tmp, a folder of the node that goes with the pod.'),
  kubernetesMemoryRequestMin: key.bytes(
    '64m',
    'Least memory that a pod requests; else what instances of the action were measured to use of their own, at most its limit.',
  ),
  kubernetesCpuRequestMillis: key.integer(100, 'thousandths of a CPU', 'CPU that a pod requests.', { min: 1 }),
  kubernetesPlacement: key.oneOf(
    ['scheduler', 'direct'],
    'scheduler',
    "Who binds pods to the node: the cluster's scheduler, which heeds taints and room, or the invoker itself, which saves its time.",
  ),
  kubernetesExtraSpec: key.text(
    '{}',
    'JSON',
    'Further fields of the pods, such as {"priorityClassName":"low","tolerations":[{"operator":"Exists"}]}.',
  ),
  kubernetesExtraEnv: key.list([], 'NAME=value', 'Further environment of every container.'),
  kubernetesLogsPath: key.text(
    '/var/log/pods',
    'path',
    "The node's folder of pod logs. `none`, or a log that is not there: the API server is asked, which does not tell stdout from stderr.",
  ),
  kubernetesCgroupPath: key.text('/sys/fs/cgroup', 'path', "The node's control groups, by which memory is measured."),
  kubernetesParallelCreates: key.integer(10, 'count', 'Pods that are started at the same time.', { min: 1 }),
  kubernetesCreatesWaitingMax: key.integer(1000, 'count', 'Starts that may wait for their turn; more are refused.'),
  kubernetesStartMs: key.integer(60_000, 'ms', 'Longest time from the request for a pod until it listens.', {
    min: 100,
  }),
  kubernetesRemoveMs: key.integer(60_000, 'ms', 'Longest wait for the end of a pod; it is tried again later.', {
    min: 100,
  }),
  kubernetesGraceS: key.integer(1, 's', 'Between SIGTERM and SIGKILL at the end of a pod.', { max: 300 }),
  kubernetesCallTimeoutMs: key.integer(10_000, 'ms', 'Longest wait for one call to the API server.', { min: 100 }),
  kubernetesWatchMs: key.integer(300_000, 'ms', 'Longest life of a watch; the next one goes on where it ended.', {
    min: 1000,
  }),
};

/** The parsed keys. */
export interface KubernetesConfig {
  kubernetesUrl: string;
  kubernetesTokenPath: string;
  kubernetesCaPath: string;
  kubernetesNamespace: string;
  kubernetesNode: string;
  kubernetesOwnerName: string;
  kubernetesOwnerUid: string;
  kubernetesClaimInstance: boolean;
  kubernetesImage: string;
  kubernetesImagePull: 'IfNotPresent' | 'Never' | 'Always';
  kubernetesUser: string;
  kubernetesReadOnlyRoot: boolean;
  kubernetesTmpBytesMax: number;
  kubernetesMemoryRequestMin: number;
  kubernetesCpuRequestMillis: number;
  kubernetesPlacement: 'scheduler' | 'direct';
  kubernetesExtraSpec: string;
  kubernetesExtraEnv: readonly string[];
  kubernetesLogsPath: string;
  kubernetesCgroupPath: string;
  kubernetesParallelCreates: number;
  kubernetesCreatesWaitingMax: number;
  kubernetesStartMs: number;
  kubernetesRemoveMs: number;
  kubernetesGraceS: number;
  kubernetesCallTimeoutMs: number;
  kubernetesWatchMs: number;
}
