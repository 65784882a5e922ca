/**
 * A thread that brings files: it receives, hashes and writes one after another, and keeps its connection between them.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '@tetris/common/errors';
import { armFault } from '../fault';
import type { FetchJob, FetchMessage, FetchThreadData } from './fetch-job';
import { PeerConnection } from './peer-connection';
import { type Read, readFrom, receive, IntegrityError } from './receive';

/** Bytes between two reports. */
const REPORT_BYTES = 8 * 1024 * 1024;

const { access, fault } = workerData as FetchThreadData;
let connection: { peer: string; to: PeerConnection } | undefined;

function connectionTo(peer: string): PeerConnection {
  if (connection?.peer !== peer || !connection.to.alive) {
    if (access === undefined) throw new Error('there are no peers');
    connection?.to.close();
    connection = { peer, to: new PeerConnection(peer, access) };
  }
  return connection.to;
}

function readerOf({ origin }: FetchJob): Read {
  if (origin.kind === 'file') return readFrom(origin.path);
  return (offset, sink) => connectionTo(origin.peer).get(origin.path, offset, sink);
}

async function run(job: FetchJob): Promise<void> {
  const post = (message: FetchMessage): void => parentPort?.postMessage(message);
  let unreported = 0;
  try {
    await receive(job, readerOf(job), (bytes) => {
      unreported += bytes;
      if (unreported < REPORT_BYTES) return;
      post({ bytes: unreported });
      unreported = 0;
    });
    post({ bytes: unreported });
    post({ done: true });
  } catch (error) {
    post({ failed: errorMessage(error), corrupt: error instanceof IntegrityError });
  }
}

armFault(fault);
parentPort?.on('message', (job: FetchJob) => void run(job));
