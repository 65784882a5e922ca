/** What the parts of the relay benchmark agree on. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { KafkaBus } from '@tetris/common/kafka';
import { createLogger, type Logger } from '@tetris/common';

export const ACTION = { path: 'guest/bench', name: 'noop', version: '0.0.1' };
/** Prefixes: the controller's topics, the invoker's, and those of the way without a load balancer. */
export const PREFIX = { controller: '', invoker: 'tetris-', direct: 'direct-' } as const;

/** Id of the load balancer among the invokers of a scheduler. */
export const FPC_INVOKER = 100;

/** To a child. Everything else it needs comes as arguments. */
export type ChildRequest = 'measure' | 'stop';
/** From a child. CPU time is of the whole process, all threads. */
export type ChildReply = { ready: true } | { cpuMs: number; atMs: number };

export const benchLog = (name: string): Logger => createLogger(name, 'warn');

export function benchBus(broker: string, clientId: string): KafkaBus {
  return new KafkaBus({ brokers: [broker], clientId }, benchLog(clientId));
}

/** A part in a process of its own. @param file module beside this one, without extension */
export async function startPart(file: string, args: string[]): Promise<ChildProcess> {
  const child = fork(`${__dirname}/${file}.js`, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`${file} ended with ${String(code)} before it was ready`);
  });
  await Promise.race([once(child, 'message'), failed]);
  failed.catch(() => undefined);
  return child;
}

export async function stopPart(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.send('stop' satisfies ChildRequest);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await ended;
  clearTimeout(timer);
}
const STOP_MS_MAX = 15_000;

export async function cpuOf(child: ChildProcess): Promise<{ cpuMs: number; atMs: number }> {
  const reply = once(child, 'message');
  child.send('measure' satisfies ChildRequest);
  const [message] = (await reply) as [{ cpuMs: number; atMs: number }];
  return message;
}

/** The child's side: announces that it is ready, answers requests, and ends with its parent. */
export function serveParent(stop: () => Promise<void>): void {
  const end = (): void => void stop().finally(() => process.exit(0));
  process.on('message', (request: ChildRequest) => {
    if (request === 'stop') end();
    else {
      const { user, system } = process.cpuUsage();
      process.send?.({ cpuMs: (user + system) / 1_000, atMs: performance.now() } satisfies ChildReply);
    }
  });
  process.on('disconnect', end);
  process.send?.({ ready: true } satisfies ChildReply);
}
