/** Pods keep the contract of all containers, and what only Kubernetes does to them is told apart. */
import { containerContract } from '../support/container-contract';
import { KubernetesCluster } from '../support/kubernetes/cluster';
import { processRuntime } from '../support/kubernetes/process-runtime';
import { RUNTIME_COMMAND } from '../support/runtime-command';

let cluster: KubernetesCluster;
beforeAll(async () => {
  cluster = await KubernetesCluster.start({ runtime: processRuntime(RUNTIME_COMMAND) });
});
afterAll(() => cluster.stop());

containerContract('Kubernetes pod', () => ({
  factory: (invoker = '0') => cluster.factory({ invoker: `invoker${invoker}`, keys: { kubernetesParallelCreates: 2 } }),
  unstartable: () => cluster.factory({ keys: { kubernetesNamespace: 'nowhere' } }),
  containers: async () => cluster.pods(),
  kill: async ({ name }) => cluster.kubelet.crash(name),
  freezes: false,
  halts: false,
}));
