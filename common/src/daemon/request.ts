/**
 * One request on a connection of its own. `node:http` rather than a client library, because this runs inside every
 * function instance, where each megabyte counts.
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { finished, Readable } from 'node:stream';
import { TRACE_HEADER } from '../environment';
import { errorMessage, isPluginError, PluginError, type WireError } from '../errors';
import { AnswerFirstSocket } from './answer-first-socket';

export interface DaemonRequest {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  path: string;
  /** A stream is destroyed with the connection, whatever comes of the request. */
  body?: string | Uint8Array | Readable;
  /** Whose span this is part of, as {@link TRACE_HEADER} has it. */
  traceparent?: string | undefined;
  /** Token of the instance that asks. */
  instance?: string | undefined;
  /** Silence after which the connection ends, ms; the reply's socket can be given another. */
  silenceMs: number;
  /** Ends the connection, whenever it is aborted. */
  signal?: AbortSignal | undefined;
}

/** Header of `PUT /v1/uploads`: the token of the instance that uploads, where it has one. */
export const INSTANCE_HEADER = 'x-tetris-instance';

/**
 * Resolves with the head of the reply. Whoever gets it ends the connection with {@link endOf}.
 * @throws PluginError `ERR_DAEMON_UNAVAILABLE` (retriable), the signal's reason, or the error of the body's stream
 */
export async function openReply(socketPath: string, asked: DaemonRequest): Promise<IncomingMessage> {
  const { method, path, body, instance, traceparent, silenceMs, signal } = asked;
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const socket = new AnswerFirstSocket();
    const type = typeof body === 'string' ? 'application/json' : 'application/octet-stream';
    const headers = {
      ...(body !== undefined && { 'content-type': type }),
      ...(traceparent !== undefined && { [TRACE_HEADER]: traceparent }),
      ...(instance !== undefined && instance !== '' && { [INSTANCE_HEADER]: instance }),
    };
    const call = request({ method, path, headers, createConnection: () => socket.connect(socketPath) });
    let fail = (error: Error): void => {
      reject(error);
      socket.destroy();
    };
    const abort = (): void => fail(signal?.reason as Error);
    signal?.addEventListener('abort', abort, { once: true });
    socket.setTimeout(silenceMs, () => fail(unavailable(socketPath, `silence for ${socket.timeout} ms`)));
    call.on('error', (error) => fail(unavailable(socketPath, error)));
    call.once('close', () => signal?.removeEventListener('abort', abort));
    call.once('response', (reply) => {
      fail = (error): void => void reply.destroy(error);
      resolve(reply);
    });
    if (body instanceof Readable) feed(body, call, (error) => fail(error));
    else call.end(body);
  });
}

/** Ends the connection of a reply, whatever is still on its way. */
export function endOf(reply: IncomingMessage): void {
  reply.socket.destroy();
}

/** The reply's text. Throws like {@link openReply}, and what the daemon refuses with. */
export async function askText(socketPath: string, asked: DaemonRequest): Promise<string> {
  const reply = await openReply(socketPath, asked);
  try {
    const text = await textOf(reply);
    if ((reply.statusCode ?? 500) >= 300) throw refusalOf(text);
    return text;
  } catch (error) {
    throw isPluginError(error) || asked.signal?.aborted === true ? error : unavailable(socketPath, error);
  } finally {
    endOf(reply);
  }
}

/** The reply's JSON; undefined where it has none. Throws like {@link askText}. */
export async function ask<T>(socketPath: string, asked: DaemonRequest): Promise<T> {
  const text = await askText(socketPath, asked);
  try {
    return (text === '' ? undefined : JSON.parse(text)) as T;
  } catch (error) {
    throw unavailable(socketPath, error);
  }
}

export async function textOf(reply: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of reply) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** The daemon's own error in the text of a reply. */
export function refusalOf(text: string): PluginError {
  try {
    const { error } = JSON.parse(text) as { error: WireError };
    return PluginError.fromWire(error);
  } catch {
    return new PluginError('ERR_INTERNAL', `the tensor daemon answered: ${text.slice(0, 200)}`);
  }
}

/** @param cause an error of the connection, or what happened to it */
export function unavailable(socketPath: string, cause: unknown): PluginError {
  const text = `no answer from the tensor daemon at ${socketPath}: ${errorMessage(cause)}`;
  return new PluginError('ERR_DAEMON_UNAVAILABLE', text, { retriable: true, cause });
}

/** A stream that breaks off ends the call; the end of the call ends the stream. */
function feed(body: Readable, call: ClientRequest, fail: (error: Error) => void): void {
  const stopWatching = finished(body, { writable: false }, (error) => {
    if (error != null) fail(error);
  });
  call.once('close', () => {
    stopWatching();
    // What it does in closing concerns nobody any more.
    body.on('error', () => undefined).destroy();
  });
  body.pipe(call);
}
