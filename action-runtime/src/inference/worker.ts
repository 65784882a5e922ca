/** Entry of an inference worker: the only thread that loads onnxruntime's native library. */
import { readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Answer, LoadRequest, Outputs, RunRequest, SessionInfo, WireFailure, WorkerRequest } from './protocol';
import { buffersOf, fedOf, wireOf } from './tensors';

if (parentPort === null) throw new Error('this file runs as a worker thread');
const port = parentPort;

/** `y = Identity(x)` of a float32 scalar: IR version 8, operator set 17. */
const IDENTITY = Buffer.from('CAg6LwoQCgF4EgF5IghJZGVudGl0eRIBZ1oLCgF4EgYKBAgBEgBiCwoBeRIGCgQIARIAQgQKABAR', 'base64');

const sessions = new Map<number, InferenceSession>();

let last: Promise<void> = Promise.resolve();
/** A request's id is its number among those received, so that one which cannot be read has an id too. */
let received = 0;
port.on('message', (request: WorkerRequest) => answer(() => handle(request)));
port.on('messageerror', (error) =>
  answer(async () => {
    throw new Error(`an inference worker could not read a request: ${error.message}`);
  }),
);

/** One after the other: `run` after `load` of the same session must find it. */
function answer(work: () => Promise<Answer>): void {
  const id = ++received;
  last = last.then(async () => {
    try {
      const given = await work();
      port.postMessage({ id, ok: true, ...given }, 'outputs' in given ? buffersOf(Object.values(given.outputs)) : []);
    } catch (error) {
      port.postMessage({ id, ok: false, error: failureOf(error) });
    }
  });
}

async function handle(request: WorkerRequest): Promise<Answer> {
  switch (request.kind) {
    case 'load':
      return { info: await load(request) };
    case 'run':
      return { outputs: await run(request) };
    case 'warmUp':
      await warmUp();
      return {};
    case 'release':
      await session(request.sessionId).release();
      sessions.delete(request.sessionId);
      return {};
    case 'end':
      for (const open of sessions.values()) await open.release();
      sessions.clear();
      return {};
    case 'endProfiling':
      session(request.sessionId).endProfiling();
      return {};
  }
}

/**
 * Has onnxruntime do what it does once per process (24 ms of the first load). It takes no memory that the first model
 * would not.
 */
async function warmUp(): Promise<void> {
  const session = await InferenceSession.create(IDENTITY, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  await session.run({ x: new Tensor('float32', [0], []) });
  await session.release();
}

async function load({ sessionId, file, options }: LoadRequest): Promise<SessionInfo> {
  const loaded =
    file.kind === 'path'
      ? await InferenceSession.create(file.path, options)
      : await InferenceSession.create(readFileSync(file.path), options);
  sessions.set(sessionId, loaded);
  const { inputNames, outputNames, inputMetadata, outputMetadata } = loaded;
  return { inputNames, outputNames, inputMetadata, outputMetadata };
}

async function run({ sessionId, feeds, fetches, options }: RunRequest): Promise<Outputs> {
  const fed = Object.entries(feeds).map(([name, value]) => [name, fedOf(value)]);
  const wanted = Object.entries(fetches).map(([name, value]) => [name, value === null ? null : fedOf(value)]);
  const results = await session(sessionId).run(
    Object.fromEntries(fed) as Record<string, Tensor>,
    Object.fromEntries(wanted) as Record<string, Tensor | null>,
    options,
  );
  return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, wireOf(tensor)]));
}

function session(sessionId: number): InferenceSession {
  const found = sessions.get(sessionId);
  if (found === undefined) throw new Error('Session already disposed.');
  return found;
}

function failureOf(error: unknown): WireFailure {
  const name = error instanceof TypeError ? 'TypeError' : error instanceof RangeError ? 'RangeError' : 'Error';
  return { name, message: error instanceof Error ? error.message : String(error) };
}
