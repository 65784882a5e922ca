import fs from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { DUE_HEADER, INFERENCE_HEADER, SLEEP_PATH, START_HEADER, TRACE_HEADER } from '@tetris/common/environment';
import { errorMessage } from '@tetris/common/errors';
import type { RuntimeConfig } from '../keys';
import type { StartTrace } from '../start-trace';
import type { ActivationService, Reply } from './activation-service';
import type { InferenceTotals } from './context';

const BAD_REQUEST: Reply = { status: 500, body: { error: 'Bad request.' } };

/**
 * Serves a function instance over HTTP.
 *
 * Every reply carries Content-Length: OpenWhisk's invoker discards chunked ones.
 *
 * @param trace told of with the replies
 * @param options `listen`: a TCP port, or the path of a Unix socket (an old socket file there is replaced)
 * @returns once connections are accepted
 */
export async function serve(
  service: ActivationService,
  trace: StartTrace,
  { listen, bodyBytesMax }: Pick<RuntimeConfig, 'listen' | 'bodyBytesMax'>,
): Promise<Server> {
  const server = createServer((request, response) => {
    answer(service, request, bodyBytesMax)
      .then((reply) => send(response, reply, trace.take()))
      .catch((error: unknown) => {
        process.stderr.write(`tetris: a request could not be answered: ${errorMessage(error)}\n`);
        response.destroy();
      });
  });
  // A run may last as long as its action's time limit allows; the invoker is the one who counts.
  server.timeout = 0;
  server.requestTimeout = 0;
  const port = /^\d+$/.test(listen) ? Number(listen) : undefined;
  if (port === undefined) fs.rmSync(listen, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port ?? listen, resolve);
  });
  return server;
}

async function answer(service: ActivationService, request: IncomingMessage, bodyBytesMax: number): Promise<Reply> {
  const body = await readJson(request, bodyBytesMax);
  const path = (request.url ?? '').split('?')[0];
  if (request.method !== 'POST' || body === undefined) return BAD_REQUEST;
  const trace = request.headers[TRACE_HEADER];
  const traceparent = typeof trace === 'string' ? trace : undefined;
  if (path === '/init') return service.init(body, traceparent);
  if (path === '/run') return service.run(body, dueMsOf(request.headers[DUE_HEADER]), traceparent);
  if (path === SLEEP_PATH) return service.sleep();
  return BAD_REQUEST;
}

/** Undefined where the invoker says nothing, or nothing that is a time. */
function dueMsOf(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

/** What is read of a body at most, in terms of what is allowed; then the connection is cut. */
const DRAIN_FACTOR = 4;

/** The request's JSON object; an empty body is `{}`; undefined for anything malformed or too long. */
async function readJson(request: IncomingMessage, bytesMax: number): Promise<Record<string, unknown> | undefined> {
  let chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    // What is too long is read to its end, though not kept: a client that is still writing would not see the answer.
    if (bytes <= bytesMax) chunks.push(chunk as Buffer);
    else chunks = [];
    if (bytes > bytesMax * DRAIN_FACTOR) break;
  }
  if (bytes > bytesMax) return undefined;
  if (bytes === 0) return {};
  try {
    const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, reply: Reply, stages: string | undefined): void {
  const { status, text } = encode(reply);
  const body = Buffer.from(text, 'utf8');
  const { inference } = reply;
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    // For an invoker that scales by what executions take; others do not look at it.
    ...(inference === undefined ? {} : { [INFERENCE_HEADER]: inferenceText(inference) }),
    ...(stages === undefined ? {} : { [START_HEADER]: stages }),
  });
  response.end(body);
}

const inferenceText = ({ waitedMs, requests, executionMs, batch }: InferenceTotals): string =>
  [waitedMs, requests, executionMs, batch].map(Math.round).join(',');

/** What JSON cannot carry (a BigInt, a cycle, a `toJSON` that gives nothing) is the action's error, not ours. */
function encode({ status, body }: Reply): { status: number; text: string } {
  try {
    const text = JSON.stringify(body) as string | undefined;
    if (text !== undefined) return { status, text };
    return { status: 502, text: JSON.stringify({ error: 'The action did not return a dictionary.' }) };
  } catch (error) {
    return { status: 502, text: JSON.stringify({ error: `An error has occurred: ${String(error)}` }) };
  }
}
