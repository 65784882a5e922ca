import { getEventListeners, once } from 'node:events';
import { createReadStream, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import type { LeaseRequest } from '@tetris/common';
import { DaemonClient } from '../../../../common/src/daemon/client';
import { DaemonOperator } from '../../../../common/src/daemon/operator';
import { until } from '../../../support/until';

const folder = mkdtempSync(join(tmpdir(), 'daemon-client-'));
const path = join(folder, 's');
const large = join(folder, 'large');
writeFileSync(large, Buffer.alloc(8 * 1024 ** 2));
afterAll(() => rmSync(folder, { recursive: true }));

let server: Server | undefined;
const connections = new Set<Socket>();

/** A daemon that does this with a connection as soon as something has come on it. */
async function daemon(answer: (socket: Socket, head: string) => void): Promise<void> {
  server = createServer((socket) => {
    connections.add(socket);
    socket.on('error', () => undefined).once('close', () => connections.delete(socket));
    socket.once('data', (chunk: Buffer) => answer(socket, chunk.toString('latin1')));
  }).listen(path);
  await once(server, 'listening');
}

afterEach(async () => {
  for (const socket of connections) socket.destroy();
  if (server !== undefined) await new Promise((resolve) => server?.close(resolve));
  server = undefined;
});

/** Every connection has been ended by its client. */
async function allClosed(): Promise<void> {
  for (const socket of connections) socket.resume();
  await until(() => connections.size === 0);
}

const http = (status: number, body: string): string =>
  `HTTP/1.1 ${status} X\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const refusal = (code: string): string =>
  http(429, JSON.stringify({ error: { code, message: 'no', retriable: true } }));
const event = (value: object): string => {
  const line = `${JSON.stringify(value)}\n`;
  return `${line.length.toString(16)}\r\n${line}\r\n`;
};
const LEASE_HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
const LEASED = { event: 'leased', leaseId: 'l', modelKey: 'k', view: 'v', tensorBytes: 1, tensors: [], warm: true };
const WANTED: LeaseRequest = { source: { kind: 'digest', sha256: 'a'.repeat(64) } };

const openFiles = (): number => readdirSync('/proc/self/fd').length;
const bounds = { answerMs: 100, leaseMs: 100, uploadMs: 100 };

describe('upload', () => {
  it('tells what the daemon refuses with, whatever became of the bytes on their way, and closes the file', async () => {
    await daemon((socket) => {
      socket.pause();
      socket.write(refusal('ERR_UPLOAD_LIMIT'));
      socket.destroySoon();
    });
    const client = new DaemonClient(path);
    const before = openFiles();
    for (let round = 0; round < 100; round += 1) {
      const stream = createReadStream(large);
      await expect(client.upload(stream)).rejects.toMatchObject({ code: 'ERR_UPLOAD_LIMIT', retriable: true });
      await until(() => stream.closed);
    }
    await until(() => openFiles() <= before);
  });

  it('tells what the daemon refuses with where it does not even close the connection', async () => {
    await daemon((socket) => void socket.pause().write(refusal('ERR_STORE_FULL')));
    const stream = createReadStream(large);
    await expect(new DaemonClient(path).upload(stream)).rejects.toMatchObject({ code: 'ERR_STORE_FULL' });
    await until(() => stream.closed);
    await allClosed();
  });

  it('sends everything, with the token, and reads the answer', async () => {
    let bytes = 0;
    let asked = '';
    await daemon((socket, head) => {
      asked = head;
      bytes = head.length;
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (chunk.subarray(-5).equals(Buffer.from('0\r\n\r\n'))) socket.end(http(200, '{"sha256":"x","bytes":1}'));
      });
    });
    const reply = await new DaemonClient(path).upload(createReadStream(large), 'instance-of-a-test');
    expect(reply).toEqual({ sha256: 'x', bytes: 1 });
    expect(asked).toMatch(/^PUT \/v1\/uploads HTTP\/1.1\r\n/);
    expect(asked).toContain('x-tetris-instance: instance-of-a-test\r\n');
    expect(bytes).toBeGreaterThanOrEqual(8 * 1024 ** 2);
  });

  it('expected failure: nobody is there, or goes away in the middle; the stream is destroyed', async () => {
    const client = new DaemonClient(path);
    const first = createReadStream(large);
    await expect(client.upload(first)).rejects.toMatchObject({ code: 'ERR_DAEMON_UNAVAILABLE', retriable: true });
    await daemon((socket) => socket.destroy());
    const second = createReadStream(large);
    await expect(client.upload(second)).rejects.toMatchObject({ code: 'ERR_DAEMON_UNAVAILABLE', retriable: true });
    await until(() => first.closed && second.closed);
  });

  it('expected failure: a stream that breaks off ends the connection, and its own error is told', async () => {
    await daemon(() => undefined);
    const client = new DaemonClient(path);
    await expect(client.upload(createReadStream(join(folder, 'none')))).rejects.toMatchObject({ code: 'ENOENT' });
    const broken = new PassThrough();
    const upload = client.upload(broken);
    broken.write('some');
    await until(() => connections.size > 0);
    broken.destroy(new Error('disk is gone'));
    await expect(upload).rejects.toThrow('disk is gone');
    const ended = new PassThrough().destroy();
    await expect(client.upload(ended)).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
    await allClosed();
  });

  it('expected failure: a daemon that accepts, and neither reads nor answers, has a bound', async () => {
    await daemon((socket) => socket.pause());
    const stream = createReadStream(large);
    const upload = new DaemonClient(path, bounds).upload(stream);
    await expect(upload).rejects.toMatchObject({
      code: 'ERR_DAEMON_UNAVAILABLE',
      message: expect.stringContaining('silence for 100 ms'),
    });
    await until(() => stream.closed);
    await allClosed();
  });

  it('ends with its signal', async () => {
    await daemon((socket) => socket.pause());
    const ending = new AbortController();
    const stream = createReadStream(large);
    const upload = new DaemonClient(path).upload(stream, undefined, ending.signal);
    await until(() => connections.size > 0);
    ending.abort(new Error('enough'));
    await expect(upload).rejects.toThrow('enough');
    await until(() => stream.closed);
    await allClosed();
    expect(getEventListeners(ending.signal, 'abort')).toEqual([]);
    const never = Readable.from(['x']);
    await expect(new DaemonClient(path).upload(never, undefined, ending.signal)).rejects.toThrow('enough');
  });
});

describe('lease', () => {
  it('tells of progress, is granted, and is held until it is released', async () => {
    await daemon((socket) => {
      const progress = event({ event: 'progress', phase: 'optimize', done: 1, total: 2 });
      socket.write(`${LEASE_HEAD}${progress}${event(LEASED)}`);
    });
    const phases: string[] = [];
    const lease = await new DaemonClient(path).lease(WANTED, ({ phase }) => phases.push(phase));
    expect(lease).toMatchObject({ view: 'v', warm: true });
    expect([phases, connections.size]).toEqual([['optimize'], 1]);
    lease.release();
    lease.release();
    await lease.ended;
    await allClosed();
  });

  it('ends when the daemon goes away', async () => {
    await daemon((socket) => {
      socket.write(`${LEASE_HEAD}${event(LEASED)}`);
      setImmediate(() => socket.destroy());
    });
    const lease = await new DaemonClient(path).lease(WANTED);
    await lease.ended;
  });

  it('expected failure: tells what the daemon refuses with, as a status and as an event', async () => {
    const error = { code: 'ERR_QUEUE_FULL', message: 'no', retriable: true };
    const answers = [refusal('ERR_LEASE_LIMIT'), `${LEASE_HEAD}${event({ event: 'failed', error })}`];
    await daemon((socket) => void socket.write(answers.shift() ?? ''));
    const client = new DaemonClient(path);
    await expect(client.lease(WANTED)).rejects.toMatchObject({ code: 'ERR_LEASE_LIMIT' });
    await expect(client.lease(WANTED)).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL', retriable: true });
    await allClosed();
  });

  it.each([
    ['nothing', ''],
    ['an end in the middle', `${LEASE_HEAD}${event({ event: 'progress', phase: 'publish', done: 1, total: 2 })}`],
    ['no HTTP', 'hello\r\n\r\n'],
    ['no JSON', `${LEASE_HEAD}6\r\nhello\n\r\n`],
  ])('expected failure: a daemon that says %s', async (_what, said) => {
    await daemon((socket) => socket.end(said));
    await expect(new DaemonClient(path).lease(WANTED)).rejects.toMatchObject({
      code: 'ERR_DAEMON_UNAVAILABLE',
      retriable: true,
    });
    await allClosed();
  });

  it.each([
    ['the head', ''],
    ['the grant', LEASE_HEAD],
  ])('expected failure: a daemon that is silent before %s has a bound', async (_what, said) => {
    await daemon((socket) => void (said !== '' && socket.write(said)));
    await expect(new DaemonClient(path, bounds).lease(WANTED)).rejects.toMatchObject({
      code: 'ERR_DAEMON_UNAVAILABLE',
      message: expect.stringContaining('silence for 100 ms'),
    });
    await allClosed();
  });

  it('holds a silent lease beyond every bound', async () => {
    await daemon((socket) => void socket.write(`${LEASE_HEAD}${event(LEASED)}`));
    const lease = await new DaemonClient(path, { answerMs: 20, leaseMs: 20 }).lease(WANTED);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(connections.size).toBe(1);
    lease.release();
    await lease.ended;
  });

  it('is given up with its signal while it is made, and not afterwards', async () => {
    const answers = [LEASE_HEAD, `${LEASE_HEAD}${event(LEASED)}`];
    await daemon((socket) => void socket.write(answers.shift() ?? ''));
    const client = new DaemonClient(path);
    const ending = new AbortController();
    const given = client.lease(WANTED, undefined, ending.signal);
    await until(() => answers.length === 1);
    ending.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    await allClosed();
    const late = new AbortController();
    const lease = await client.lease(WANTED, undefined, late.signal);
    expect(getEventListeners(late.signal, 'abort')).toEqual([]);
    late.abort();
    await new Promise((resolve) => setImmediate(resolve));
    expect(connections.size).toBe(1);
    lease.release();
    await lease.ended;
    expect(getEventListeners(ending.signal, 'abort')).toEqual([]);
  });
});

describe('operator', () => {
  it('reads JSON, text and nothing', async () => {
    await daemon((socket, head) => {
      if (head.startsWith('GET /metrics')) return void socket.end(http(200, 'a 1\n'));
      if (head.startsWith('DELETE')) return void socket.end(http(204, ''));
      socket.end(http(200, '[]'));
    });
    const operator = new DaemonOperator(path);
    expect(await operator.models()).toEqual([]);
    expect(await operator.metrics()).toBe('a 1\n');
    expect(await operator.releaseInstance('instance-of-a-test')).toBeUndefined();
    await allClosed();
  });

  it('expected failure: an answer that is no JSON, one that breaks off, a refusal without a reason, silence', async () => {
    const answers = [http(200, '<p>'), 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf', http(500, 'oh')];
    await daemon((socket) => {
      const answer = answers.shift();
      if (answer !== undefined) socket.end(answer);
    });
    const operator = new DaemonOperator(path, 100);
    await expect(operator.models()).rejects.toMatchObject({ code: 'ERR_DAEMON_UNAVAILABLE' });
    await expect(operator.models()).rejects.toMatchObject({ code: 'ERR_DAEMON_UNAVAILABLE' });
    await expect(operator.models()).rejects.toMatchObject({ code: 'ERR_INTERNAL', message: /answered: oh/ });
    await expect(operator.models()).rejects.toMatchObject({ message: expect.stringContaining('silence for 100 ms') });
    await allClosed();
  });
});
