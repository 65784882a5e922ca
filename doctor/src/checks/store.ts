import { formatBytes } from '../format';
import type { Facts } from '../facts';
import { type Finding, skipped, well, wrong } from '../finding';

const TELL_SETTINGS = 'no settings of a daemon: --settings FOLDER names those of a node';
/** Of a node's memory, for everything that is neither store nor instances. */
const SYSTEM_SHARE = 0.05;

/** The store is a tmpfs of its own. On the system's disk, or inside another tmpfs, its bound and its pages are others'. */
export function checkStoreMount({ settings, storeMount }: Facts): Finding {
  const check = 'store-mount';
  if (!('value' in settings) || settings.value.daemon === undefined || storeMount === undefined) {
    return skipped(check, TELL_SETTINGS);
  }
  const { storePath } = settings.value.daemon;
  const mend = `mount a tmpfs at ${storePath} before the daemon starts (ansible-playbook tensor-daemon.yml), then start it again`;
  if ('problem' in storeMount) return wrong(check, `${storePath}: ${storeMount.problem}`, mend);
  const { path, fileSystem, bytes } = storeMount.value;
  if (path !== storePath) return wrong(check, `${storePath} is a plain folder of ${path} (${fileSystem})`, mend);
  if (fileSystem !== 'tmpfs' && fileSystem !== 'hugetlbfs') {
    return wrong(check, `${storePath} is ${fileSystem}: tensors are read from a disk`, mend);
  }
  return well(check, `${fileSystem} of ${formatBytes(bytes)} at ${path}`);
}

export function checkStoreSize({ settings, storeMount, memoryBytes }: Facts): Finding {
  const check = 'store-size';
  if (!('value' in settings) || settings.value.daemon === undefined) return skipped(check, TELL_SETTINGS);
  const { daemon, invoker } = settings.value;
  if (storeMount === undefined || 'problem' in storeMount || storeMount.value.path !== daemon.storePath) {
    return skipped(check, 'the store is not mounted');
  }
  const { bytes } = storeMount.value;
  const most = memoryBytes * (1 - SYSTEM_SHARE);
  if (bytes > most) {
    const found = `the store may take ${formatBytes(bytes)} of ${formatBytes(memoryBytes)}`;
    return wrong(
      check,
      found,
      'give it less (tetris_deploy_store_size): the kernel kills processes when a tmpfs fills memory',
    );
  }
  if (daemon.storeBytesMax > bytes) {
    const found = `storeBytesMax is ${formatBytes(daemon.storeBytesMax)}, its file system has ${formatBytes(bytes)}`;
    return wrong(check, found, 'leave TETRIS_DAEMON_STORE_BYTES_MAX empty, or enlarge tetris_deploy_store_size');
  }
  if (invoker !== undefined && invoker.memory > most) {
    const found = `the invoker extension may give away ${formatBytes(invoker.memory)} of ${formatBytes(memoryBytes)}`;
    return wrong(check, found, 'lower TETRIS_INVOKER_MEMORY: it covers instances and the tensors that they lease');
  }
  return well(check, `${formatBytes(bytes)} of ${formatBytes(memoryBytes)}`);
}
