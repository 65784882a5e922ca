/** The action runtime alone: batching, two-phase load and its own overhead, each beside what it is compared with. */
import { tmpdir } from 'node:os';
import { Cleanups, privateFolder } from '../demo/cleanups';
import { DaemonProcess } from '../sharing/daemon-process';
import type { Suite, SuiteResult } from '../suites';
import { batching } from './batching';
import { ACTION_PATH } from './bench';
import { Instances } from './instances';
import { overhead } from './overhead';
import { twoPhase } from './two-phase';

async function run(): Promise<SuiteResult> {
  const cleanups = new Cleanups();
  try {
    const folder = await privateFolder(tmpdir(), cleanups);
    const storePath = await privateFolder('/dev/shm', cleanups);
    const daemon = new DaemonProcess(folder, storePath);
    cleanups.add(() => daemon.stop());
    await daemon.ready();
    const instances = new Instances(daemon, folder, ACTION_PATH);
    cleanups.add(() => instances.stop());
    const bench = { instances, folder, cleanups };
    const results: SuiteResult[] = [];
    for (const [name, measure] of Object.entries({ overhead, twoPhase, batching })) {
      process.stderr.write(`${name}\n`);
      results.push(await measure(bench));
    }
    return Object.assign({}, ...results) as SuiteResult;
  } finally {
    await cleanups.run();
  }
}

export const suite: Suite = { run };
