/** A thread that takes bytes from a socket into one buffer, and drops them. */
import { connect } from 'node:net';
import { workerData } from 'node:worker_threads';

const READ_BYTES = 1024 * 1024;

connect({
  port: workerData as number,
  host: '127.0.0.1',
  onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: () => true },
});
