/** The peers that are servers in Python: one process tree for each function, as tenants have it, but where it says so. */
import { sum } from '../measure/statistics';
import type { ServedModel } from '../evaluation/served-model';
import { ALONE, JOINED, type Peer, type PeerLoad, type Served, type Tuning } from './peer';
import { PythonServer, type PythonServerOptions } from './python-server';

/** Servers that come up at once. */
const TOGETHER = 2;

interface Launch extends Omit<PythonServerOptions, 'env' | 'answers' | 'lists'> {
  env: (load: PeerLoad) => Readonly<Record<string, string>>;
  /** Of the function with this number, of so many on the server. */
  path: (at: number) => string;
  /** Where requests are joined, each is a list of one. @default false */
  listsWhenJoined?: boolean;
}

const GUNICORN: Launch = {
  environment: 'fork',
  command: 'gunicorn',
  args: () => ['--config', 'gunicorn.conf.py', 'app:application'],
  env: () => ({}),
  path: (at) => `/${at}`,
};

const mosec = (start: 'spawn' | 'fork'): Launch => ({
  environment: 'mosec',
  command: 'python',
  args: (port) => ['server.py', '--port', String(port), '--timeout', '300000'],
  env: ({ batch, waitMs }) => ({ START: start, BATCH: String(batch), WAIT_MS: String(waitMs) }),
  path: () => '/inference',
});

const BENTOML: Launch = {
  environment: 'bentoml',
  command: 'bentoml',
  args: (port) => ['serve', 'service:Inference', '--host', '127.0.0.1', '--port', String(port)],
  env: ({ batch, sloMs }) => ({ BATCH: String(batch), ...(sloMs > 0 ? { LATENCY_MS: String(sloMs) } : {}) }),
  path: () => '/run',
  listsWhenJoined: true,
};

const RAY: Launch = {
  environment: 'ray',
  command: 'python',
  args: () => ['deployment.py'],
  env: ({ batch, waitMs }) => ({ BATCH: String(batch), WAIT_MS: String(waitMs) }),
  path: (at) => `/${at}`,
};

/** A server for each function. */
const apart = (launch: Launch, tunings: readonly Tuning[]): Peer => ({
  environment: launch.environment,
  tunings,
  start: async (load) => {
    const servers: PythonServer[] = [];
    const served: Served = {
      ask: (at, work) => (servers[at] as PythonServer).ask(launch.path(0), work),
      memoryBytes: () => Promise.resolve(sum(servers.map((server) => server.memoryBytes()))),
      stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
    };
    try {
      for (let at = 0; at < load.models.length; at += TOGETHER) {
        const models = load.models.slice(at, at + TOGETHER);
        const started = await Promise.allSettled(models.map((model) => startOne(launch, load, [model])));
        for (const each of started) if (each.status === 'fulfilled') servers.push(each.value);
        const failed = started.find((each) => each.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
      }
      return served;
    } catch (error) {
      await served.stop();
      throw error;
    }
  },
});

/** One server for all of them, by their number. */
const together = (launch: Launch, tunings: readonly Tuning[]): Peer => ({
  environment: launch.environment,
  tunings,
  start: async (load) => {
    const server = await startOne(launch, load, load.models);
    return {
      ask: (at, work) => server.ask(launch.path(at), work),
      memoryBytes: () => Promise.resolve(server.memoryBytes()),
      stop: () => server.stop(),
    };
  },
});

function startOne(launch: Launch, load: PeerLoad, models: readonly ServedModel[]): Promise<PythonServer> {
  const paths = models.map(({ path }) => path);
  const env = { MODEL: paths[0] ?? '', MODELS: paths.join(','), WORKERS: String(load.instances), ...launch.env(load) };
  const lists = load.batch > 1 && launch.listsWhenJoined === true;
  return PythonServer.start({ ...launch, env, lists, answers: models.map((_, at) => launch.path(at)) });
}

const EITHER = [ALONE, JOINED];

export const PYTHON_PEERS = {
  fork: apart(GUNICORN, [ALONE]),
  forkTogether: together(GUNICORN, [ALONE]),
  'mosec-spawn': apart(mosec('spawn'), EITHER),
  'mosec-fork': apart(mosec('fork'), EITHER),
  bentoml: apart(BENTOML, EITHER),
  ray: together(RAY, EITHER),
} as const satisfies Record<string, Peer>;
