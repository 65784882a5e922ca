import { type ChildProcess, fork } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcess } from '@tetris/common';
import { freePort, type RunningServer, serverFolder } from './server-process';

const ANSWER_TIMEOUT_MS = 30_000;
const CREDENTIALS = { user: 'whisk', password: 'for-tests-only' } as const;

export interface CouchServer extends RunningServer {
  /** With credentials. */
  readonly url: string;
}

/** Starts a server of CouchDB's API. Its data survive `down` and `up`, as a real one's would. */
export async function startCouch(): Promise<CouchServer> {
  const folder = await serverFolder();
  const port = await freePort();
  const configPath = join(folder, 'config.json');
  await writeFile(configPath, JSON.stringify({ admins: { [CREDENTIALS.user]: CREDENTIALS.password } }));
  const child = fork(join(__dirname, 'couch-server.js'), [String(port), configPath], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await said(child, 'back');

  const tell = async (message: 'away' | 'back'): Promise<void> => {
    const answer = said(child, message);
    child.send(message);
    await answer;
  };
  const down = (): Promise<void> => tell('away');
  const up = (): Promise<void> => tell('back');
  return {
    host: '127.0.0.1',
    port,
    pid: child.pid ?? 0,
    url: `http://${CREDENTIALS.user}:${CREDENTIALS.password}@127.0.0.1:${port}`,
    down,
    up,
    restart: async () => {
      await down();
      await up();
    },
    stop: async () => {
      await endProcess(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function said(child: ChildProcess, expected: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onMessage = (message: unknown): void => {
      if (message === expected) settle();
    };
    const onExit = (): void => settle(new Error('the CouchDB server ended'));
    const timer = setTimeout(() => settle(new Error(`the CouchDB server did not say ${expected}`)), ANSWER_TIMEOUT_MS);
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}
