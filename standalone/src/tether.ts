/**
 * Preloaded into each tensor daemon that the platform starts. When the platform's process ends without having stopped
 * its children (a crash, a SIGKILL), the channel to it closes: then this ends the node's function instances, removes
 * what the platform would have removed, and ends the daemon.
 */
import { dirname } from 'node:path';
import { removeEmptyFolder, removeFolderNow } from '@tetris/common';

/** Sent once by the platform. */
export interface TetherPlan {
  /** Work folder of the node's process containers. */
  workPath: string;
  /** The node's private folders, removed together with what is in them; their parents too once they are empty. */
  folders: string[];
}

process.once('message', (message) => {
  const plan = message as TetherPlan;
  process.once('disconnect', () => void cleanUp(plan));
});

async function cleanUp({ workPath, folders }: TetherPlan): Promise<void> {
  process.once('exit', () => folders.forEach(remove));
  try {
    // Loaded only now: the daemon needs nothing of it while all is well.
    const { ProcessFactory } = await import('@tetris/invoker-extension');
    await new ProcessFactory({ command: [], workPath, path: '' }).removeOrphans();
  } catch {
    // The platform's next start removes such folders too, and may have been first.
  } finally {
    process.kill(process.pid, 'SIGTERM');
  }
}

function remove(folder: string): void {
  try {
    removeFolderNow(folder);
    removeEmptyFolder(dirname(folder));
  } catch {
    // Another node still has its folder beside this one.
  }
}
