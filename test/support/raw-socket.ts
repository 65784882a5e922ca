import { connect, type Socket } from 'node:net';

/** A connection to a Unix socket, to say on it whatever one likes. */
export interface RawConnection {
  readonly socket: Socket;
  /** What has come back so far. */
  said(): string;
  readonly closed: Promise<void>;
}

export function rawConnection(path: string, ...parts: (string | Uint8Array)[]): Promise<RawConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let said = '';
    socket.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')));
    const closed = new Promise<void>((done) => socket.once('close', () => done()));
    socket.once('error', reject);
    socket.once('connect', () => {
      // From here on an error is only another way to close.
      socket.removeListener('error', reject).on('error', () => undefined);
      for (const part of parts) socket.write(part);
      resolve({ socket, said: () => said, closed });
    });
  });
}

/** `POST /v1/leases` as it goes over the wire. */
export function leaseText(body: unknown): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return [
    'POST /v1/leases HTTP/1.1',
    'host: daemon',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
    '',
    text,
  ].join('\r\n');
}
