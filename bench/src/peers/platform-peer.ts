/** OpenWhisk as `npm start` gives it: functions of kind nodejs:tetris, or plain ones. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { Cleanups } from '../demo/cleanups';
import { workOn } from '../evaluation/served-model';
import { PLAIN } from '../platform/plain';
import { PlatformServer } from '../platform/server';
import type { RunReport } from '../runtime/instances';
import { ALONE, JOINED, type Peer, type PeerLoad, type Served } from './peer';

/** More than there is: how many are started is the bench's to say. */
const MEMORY = '64g';
/** Of an action: a plain instance holds a model of its own. */
const MEMORY_MB = { 'nodejs:tetris': 128, 'nodejs:20': 768 } as const;

type Kind = keyof typeof MEMORY_MB;

/** @param kind `nodejs:20` is run as stock OpenWhisk does; its node needs no daemon, so that this is left out there */
export const platformPeer = (kind: Kind): Peer => ({
  // With an objective it plans by itself.
  tunings: kind === 'nodejs:tetris' ? [JOINED] : [ALONE],
  start: async (load) => {
    const cleanups = new Cleanups();
    try {
      return await startPlatform(kind, load, cleanups);
    } catch (error) {
      await cleanups.run();
      throw error;
    }
  },
});

async function startPlatform(kind: Kind, load: PeerLoad, cleanups: Cleanups): Promise<Served> {
  const { models, instances } = load;
  const modelRoots = [...new Set(models.map(({ path }) => dirname(path)))];
  const shares = kind === 'nodejs:tetris';
  const settings = shares ? {} : PLAIN;
  const platform = await PlatformServer.start({ modelRoots, memory: MEMORY, settings }, cleanups);
  const { client } = platform;
  for (const [at, model] of models.entries()) {
    const annotations = shares ? annotationsOf(load) : {};
    const action = { kind, annotations, parameters: workOn(model), memoryMb: MEMORY_MB[kind] };
    await client.createAction(`function${at}`, action);
  }
  const ask: Served['ask'] = async (at, work) => {
    const { response } = await client.invoke(`function${at}`, work);
    if (!response.success) throw new Error(`function${at}: ${JSON.stringify(response.result.error)}`);
    return response.result as RunReport;
  };
  for (const at of models.keys()) await allAtOnce(instances, (gate) => ask(at, { seed: 1, ...gate }));
  const memoryBytes = async (): Promise<number> => {
    const { instanceBytes, frontBytes, storeBytes, daemonBytes } = await platform.memory();
    return instanceBytes + frontBytes + (shares ? storeBytes + daemonBytes : 0);
  };
  return { ask, memoryBytes, stop: () => cleanups.run() };
}

const annotationsOf = ({ sloMs, batch }: PeerLoad): Readonly<Record<string, unknown>> =>
  sloMs > 0 ? { 'tetris-slo': sloMs, 'tetris-batching': batch } : {};

/** Several activations that are all in their instances at once: each waits in `actions/classify.js` for the others. */
async function allAtOnce(count: number, ask: (work: { gate?: string }) => Promise<unknown>): Promise<void> {
  const waiting: (() => void)[] = [];
  const gate = createServer((request, reply) => {
    request.resume();
    waiting.push(() => reply.end());
    if (waiting.length >= count) for (const open of waiting.splice(0)) open();
  });
  await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(gate.address() as AddressInfo).port}/`;
    await Promise.all(Array.from({ length: count }, () => ask({ gate: url })));
  } finally {
    gate.close();
  }
}
