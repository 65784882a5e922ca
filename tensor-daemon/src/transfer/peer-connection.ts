/**
 * A connection to a peer for bytes in bulk. It speaks HTTP/1.1 by hand, as far as our own peers do: their answers have
 * a length, and come one after the other. Node's client takes a fresh buffer of 64 KiB for each read, which costs as
 * much as hashing what is in it; here all bytes come through one buffer.
 */
import { type Socket, type OnReadOpts, connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SIGNATURE_HEADER, signRequest } from './peer-auth';
import type { PeerAccess } from './fetch-job';
import { Bandwidth, monotonicMs } from './rate-limit';

/** Bytes taken from the socket at a time, at most. */
const READ_BYTES = 1024 * 1024;

/** Longest head of an answer. */
const HEAD_BYTES_MAX = 16 * 1024;
const HEAD_END = '\r\n\r\n';
const STATUS = /^HTTP\/1\.1 (\d{3}) /;
const LENGTH = /^content-length: *(\d+)\r?$/im;

/** An answer that is being waited for. */
interface Exchange {
  /** Told of the bytes still to come, before the first. @throws where they are not wanted */
  begin(bytes: number): void;
  take(chunk: Uint8Array): void;
  resolve(): void;
  reject(error: Error): void;
  status: number;
  head: string;
  /** Bytes of the body that are missing; undefined while its head is. */
  left: number | undefined;
}

/** One exchange at a time; any failure ends the connection. */
export class PeerConnection {
  readonly #peer: URL;
  readonly #access: PeerAccess;
  readonly #bandwidth: Bandwidth;
  readonly #socket: Socket;
  #exchange: Exchange | undefined;
  #ended: Error | undefined;

  constructor(peer: string, access: PeerAccess) {
    this.#peer = new URL(peer);
    this.#access = access;
    this.#bandwidth = new Bandwidth(access.bytesPerSecond, access.clock);
    this.#socket = this.#connect();
    this.#socket.setNoDelay(true);
    this.#socket.setTimeout(access.timeoutMs, () => {
      this.#end(new Error(`nothing came for ${access.timeoutMs} ms`));
    });
    this.#socket.on('error', (error) => this.#end(error));
    this.#socket.on('close', () => this.#end(new Error('the peer ended the connection')));
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  /**
   * Gets what is at a path, from `offset` on.
   *
   * @param begin told how many bytes will come; throws where it wants none of them
   * @param take given the bytes; they are valid during the call only. What it throws ends the exchange
   */
  get(
    path: string,
    offset: number,
    { begin, take }: { begin: (bytes: number) => void; take: (chunk: Uint8Array) => void },
  ): Promise<void> {
    const { secret } = this.#access.credentials;
    const range = offset > 0 ? `bytes=${offset}-` : '';
    const lines = [`GET ${path} HTTP/1.1`, `host: ${this.#peer.host}`];
    if (range !== '') lines.push(`range: ${range}`);
    if (secret !== undefined) {
      const { header } = signRequest(secret, { method: 'GET', path, range }, Date.now());
      lines.push(`${SIGNATURE_HEADER}: ${header}`);
    }
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const status = offset > 0 ? 206 : 200;
      this.#exchange = { begin, take, resolve, reject, status, head: '', left: undefined };
      this.#socket.write(`${lines.join('\r\n')}${HEAD_END}`, 'latin1');
    });
  }

  close(): void {
    this.#end(new Error('the connection was closed'));
  }

  #connect(): Socket {
    const { tls } = this.#access.credentials;
    const { hostname, port, protocol } = this.#peer;
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const onread: OnReadOpts = {
      buffer: Buffer.allocUnsafeSlow(this.#bandwidth.pieceBytes(READ_BYTES)),
      callback: (bytes, buffer) => this.#arrived((buffer as Buffer).subarray(0, bytes)),
    };
    if (tls === undefined) return connect({ host, port: Number(port || 80), onread });
    if (protocol !== 'https:') throw new Error(`peer ${this.#peer.href} is no https:// URL`);
    // Node's types lack `onread` here, its documentation has it.
    const options = { host, port: Number(port || 443), servername: servername(host), ...tls, onread };
    return connectTls(options);
  }

  /** @returns whether to read on at once */
  #arrived(chunk: Buffer): boolean {
    try {
      this.#take(chunk);
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
    const waitMs = this.#bandwidth.book(chunk.length, monotonicMs());
    if (waitMs <= 0) return true;
    setTimeout(() => this.#socket.resume(), waitMs);
    return false;
  }

  #take(chunk: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === undefined) throw new Error('it answers without being asked');
    const body = exchange.left === undefined ? readHead(exchange, chunk) : chunk;
    if (exchange.left === undefined) return;
    if (body.length > exchange.left) throw new Error('it sends more than it said');
    exchange.left -= body.length;
    if (body.length > 0) exchange.take(body);
    if (exchange.left > 0) return;
    this.#exchange = undefined;
    exchange.resolve();
  }

  #end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#socket.destroy();
    this.#exchange?.reject(error);
    this.#exchange = undefined;
  }
}

/** Takes in what there is of a head. @returns what of the body came with it */
function readHead(exchange: Exchange, chunk: Buffer): Buffer {
  const before = exchange.head.length;
  exchange.head += chunk.subarray(0, HEAD_BYTES_MAX).toString('latin1');
  const end = exchange.head.indexOf(HEAD_END);
  if (end === -1) {
    if (exchange.head.length > HEAD_BYTES_MAX) throw new Error('its answer has no end of a head');
    return Buffer.alloc(0);
  }
  const head = exchange.head.slice(0, end);
  const status = Number(STATUS.exec(head)?.[1]);
  if (status !== exchange.status) throw new Error(`it answers with status ${status}`);
  const length = LENGTH.exec(head)?.[1];
  if (length === undefined) throw new Error('its answer has no length');
  exchange.left = Number(length);
  exchange.begin(exchange.left);
  return chunk.subarray(end + HEAD_END.length - before);
}

/** What TLS checks a certificate against; an address is none. */
function servername(host: string): string {
  return /^[\d.]+$|:/.test(host) ? '' : host;
}
