import { checkClock, checkCouch, checkEtcd, checkInvokerIds, checkKafka, checkRedis } from './checks/cluster';
import { checkTopicPrefix, checkTopics, checkTopicSize } from './checks/cluster';
import { checkContainerSocket, checkContainerViews, checkCpuFeatures } from './checks/daemon';
import { checkDaemonSockets, checkOnnxruntime } from './checks/daemon';
import { checkLimits, checkManifest, checkSpiClasses } from './checks/openwhisk';
import { checkStoreMount, checkStoreSize } from './checks/store';
import type { Facts } from './facts';
import { type CheckName, CHECKS, type Finding, well, wrong } from './finding';

function checkSettings({ settings }: Facts): Finding {
  if ('problem' in settings) return wrong('settings', settings.problem, 'mend what it lists: docs/configuration.md');
  const components = Object.keys(settings.value);
  return well('settings', components.length === 0 ? 'none here' : `${components.join(', ')} can be read`);
}

const EACH: Readonly<Record<CheckName, (facts: Facts) => Finding>> = {
  settings: checkSettings,
  'store-mount': checkStoreMount,
  'store-size': checkStoreSize,
  'daemon-sockets': checkDaemonSockets,
  'container-socket': checkContainerSocket,
  'container-views': checkContainerViews,
  onnxruntime: checkOnnxruntime,
  'cpu-features': checkCpuFeatures,
  kafka: checkKafka,
  'topic-prefix': checkTopicPrefix,
  topics: checkTopics,
  'topic-size': checkTopicSize,
  'invoker-ids': checkInvokerIds,
  redis: checkRedis,
  clock: checkClock,
  couch: checkCouch,
  etcd: checkEtcd,
  'spi-classes': checkSpiClasses,
  limits: checkLimits,
  manifest: checkManifest,
};

/** One finding of each check, in the order of {@link CHECKS}: what others need comes first. Pure. */
export const examine = (facts: Facts): Finding[] =>
  (Object.keys(CHECKS) as CheckName[]).map((check) => EACH[check](facts));
