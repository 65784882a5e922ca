import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { rounded } from '../measure/statistics';
import type { SuiteResult } from '../suite';

/**
 * What a transfer of some files cannot do without, each by itself: hashing them, writing them once, and passing them
 * through a socket. `peerFloorMs` is their work spread evenly over the machine's cores; both ends of the socket are on
 * it.
 */
export async function measureFloor(folder: string, target: string): Promise<SuiteResult> {
  const paths = readdirSync(folder).map((name) => join(folder, name));
  const contents = paths.map((path) => readFileSync(path));
  const hashMs = await timed(() => {
    for (const bytes of contents) createHash('sha256').update(bytes).digest();
  });
  const copy = join(target, 'scratch', 'floor');
  const copyMs = await timed(() => cpSync(folder, copy, { recursive: true }));
  rmSync(copy, { recursive: true });
  const socketMs = await timed(() => passOn(contents));
  return {
    peerHashMs: rounded(hashMs, 0),
    peerCopyMs: rounded(copyMs, 0),
    peerSocketMs: rounded(socketMs, 0),
    peerFloorMs: rounded((hashMs + copyMs + 2 * socketMs) / availableParallelism(), 0),
  };
}

async function timed(work: () => void | Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** Sends bytes over loopback to a thread that drops them. */
async function passOn(contents: readonly Buffer[]): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const sink = new Worker(join(__dirname, 'socket-sink.js'), { workerData: port });
  server.once('connection', (socket) => {
    for (const bytes of contents) socket.write(bytes);
    socket.end();
  });
  await once(sink, 'exit');
  server.close();
}
