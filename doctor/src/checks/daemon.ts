import { dirname } from 'node:path';
import type { Facts } from '../facts';
import { type Finding, skipped, well, wrong } from '../finding';

const TELL_SETTINGS = 'no settings of a daemon: --settings FOLDER names those of a node';
const TELL_CONTAINER = 'no container to ask from: --image IMAGE, --container NAME or --pod NAMESPACE/NAME';

export function checkDaemonSockets({ settings, instanceSocket, operatorSocket }: Facts): Finding {
  const check = 'daemon-sockets';
  if (!('value' in settings) || settings.value.daemon === undefined) return skipped(check, TELL_SETTINGS);
  const { socketPath, operatorSocketPath } = settings.value.daemon;
  if (dirname(socketPath) === dirname(operatorSocketPath)) {
    const found = `${socketPath} and ${operatorSocketPath} lie in one folder, which containers mount`;
    return wrong(
      check,
      found,
      'give TETRIS_DAEMON_OPERATOR_SOCKET_PATH a folder of its own: who reaches it rules the store',
    );
  }
  const answers = { [socketPath]: instanceSocket, [operatorSocketPath]: operatorSocket };
  for (const [path, answer] of Object.entries(answers)) {
    if (answer === undefined) return skipped(check, 'the sockets were not asked');
    if ('problem' in answer) {
      const mend =
        'see why with journalctl -u tetris-tensor-daemon, and start it: systemctl start tetris-tensor-daemon';
      return wrong(check, `${path}: ${answer.problem}`, mend);
    }
  }
  return well(check, `both answer`);
}

export function checkContainerSocket({ container }: Facts): Finding {
  const check = 'container-socket';
  if (container === undefined) return skipped(check, TELL_CONTAINER);
  if ('problem' in container)
    return wrong(check, container.problem, 'the engine must run the action image: docker images, docker info');
  const { daemon } = container.value;
  if (daemon === 'ready' || daemon === 'draining') return well(check, `the daemon is ${daemon}`);
  const mend =
    'mount the folder of the instance socket (not the socket, which is another after a restart) at /run/tetris: openwhisk/l1.yml';
  return wrong(check, `in a container: ${daemon}`, mend);
}

export function checkContainerViews({ container, viewsDevice }: Facts): Finding {
  const check = 'container-views';
  if (container === undefined || 'problem' in container) return skipped(check, TELL_CONTAINER);
  const { viewsDevice: device, viewsWritable, viewsListable } = container.value;
  const mount =
    'mount <store>/views at /tetris/views read-only, and start action containers after the store is mounted';
  if (device === 0) return wrong(check, 'a container has no /tetris/views', mount);
  if (viewsDevice !== undefined && 'value' in viewsDevice && viewsDevice.value !== device) {
    const found = 'the container has another file system at /tetris/views than the daemon writes to';
    return wrong(check, found, `${mount}; a container from before the mount keeps the folder below it: remove it`);
  }
  if (viewsWritable) return wrong(check, 'a container may write to /tetris/views', 'mount it read-only (:ro)');
  if (viewsListable) {
    const found = 'a container can list the views, and so open those of others';
    return wrong(check, found, 'drop the capability DAC_OVERRIDE of action containers, as openwhisk/l1.yml does');
  }
  return well(check, 'the same file system, read-only, not to be listed');
}

export function checkOnnxruntime({ container, platform }: Facts): Finding {
  const check = 'onnxruntime';
  if (platform === undefined || 'problem' in platform) return skipped(check, TELL_SETTINGS);
  if (container === undefined || 'problem' in container) return skipped(check, TELL_CONTAINER);
  const [here, there] = [platform.value.onnxruntime, container.value.onnxruntime];
  if (here === there) return well(check, here);
  const mend =
    'deploy the action image and the bundle of one version: what another onnxruntime has optimized loads wrong or slowly';
  return wrong(check, `the daemon has ${here}, the action image ${there}`, mend);
}

export function checkCpuFeatures({ container, platform }: Facts): Finding {
  const check = 'cpu-features';
  if (platform === undefined || 'problem' in platform) return skipped(check, TELL_SETTINGS);
  if (container === undefined || 'problem' in container) return skipped(check, TELL_CONTAINER);
  const [here, there] = [platform.value.cpu, container.value.cpu];
  if (here === there) return well(check, here);
  const mend = 'build the image for the CPU of the node, and leave TETRIS_DAEMON_CPU_INFO_PATH empty';
  return wrong(check, `the daemon stores for ${here}, containers run on ${there}`, mend);
}
