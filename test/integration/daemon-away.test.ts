/** Sharing is an optimisation: a daemon that is gone, refuses, is slow or full fails no activation. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import { TestDaemon } from '../support/daemon';
import { RuntimeProcess } from '../support/runtime';
import { until } from '../support/until';

jest.setTimeout(180_000);

const ACTIVATIONS = 500;

/** Loads the model anew in each activation, as its first would. */
const ACTION = `
const ort = require('onnxruntime-node');
exports.main = async ({ model, width }) => {
  const session = await ort.InferenceSession.create(model);
  try {
    const feed = new ort.Tensor('float32', new Float32Array(width).fill(1), [1, width]);
    const results = await session.run({ [session.inputNames[0]]: feed });
    return { answer: Array.from(results[session.outputNames[0]].data) };
  } finally {
    await session.release();
  }
};
`;

const root = mkdtempSync(path.join(tmpdir(), 'away-'));
let model: BuiltModel;
let width: number;

/** Brings the daemon of an instance into its state. */
interface Away {
  /** @returns the daemon's instance socket, and what becomes of it after so many activations */
  begin: (
    daemon: TestDaemon,
  ) => Promise<{ socket: string; later?: () => Promise<unknown>; end?: () => Promise<unknown> }>;
  /** How long the instance waits for it, where that is not left to the default. */
  patience?: Record<string, string>;
  /** What the log of the first private load names. */
  reason: RegExp;
}

const instanceSocket = (daemon: TestDaemon): string => path.join(daemon.folder, 'instance.sock');

const AWAY: Record<string, Away> = {
  'is killed': {
    begin: async (daemon) => {
      await daemon.start({ modelRoots: root });
      return { socket: instanceSocket(daemon), later: () => daemon.end('SIGKILL') };
    },
    reason: /no answer from the tensor daemon/,
  },
  refuses: {
    begin: async (daemon) => {
      await daemon.start({ modelRoots: root, instancesRegisteredOnly: 'true' });
      return { socket: instanceSocket(daemon) };
    },
    reason: /only instances that the operator has registered are served/,
  },
  'is slow': {
    begin: async (daemon) => {
      // Whoever connects is heard and never answered.
      const socket = path.join(daemon.folder, 'silent.sock');
      const server: Server = createServer(() => undefined);
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      return { socket, end: async () => server.close() };
    },
    patience: { TETRIS_RUNTIME_DAEMON_SILENCE_MS: '500', TETRIS_RUNTIME_SHARE_WAIT_MS: '500' },
    reason: /the tensor daemon (said nothing for|was not ready within) 500 ms/,
  },
  'is full': {
    begin: async (daemon) => {
      await daemon.start({ modelRoots: root, storeBytesMax: '64k' });
      return { socket: instanceSocket(daemon) };
    },
    patience: { TETRIS_RUNTIME_BUSY_RETRY_MS: '10' },
    reason: /the tensor store is full|larger than the store/,
  },
};

beforeAll(async () => {
  model = await buildModel(perceptron('away', { hidden: 256 }), root);
  const [feed] = model.inputs(1, 1);
  width = feed?.dims[1] ?? 0;
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.each(Object.entries(AWAY))('a tensor daemon that %s', (_what, { begin, patience, reason }) => {
  it(`fails none of ${ACTIVATIONS} activations, and the log of the first private load names the reason`, async () => {
    const daemon = new TestDaemon();
    const { socket, later, end } = await begin(daemon);
    const runtime = await RuntimeProcess.start({
      TETRIS_RUNTIME_DAEMON_SOCKET: socket,
      TETRIS_RUNTIME_VIEWS: path.join(daemon.store, 'views'),
      TETRIS_RUNTIME_MODEL_ROOTS: root,
      ...patience,
    });
    try {
      expect(await runtime.init({ code: ACTION })).toMatchObject({ status: 200 });
      const answers = new Set<string>();
      let failed = 0;
      for (let count = 0; count < ACTIVATIONS; count++) {
        if (count === ACTIVATIONS / 10) await later?.();
        const { status, body } = await runtime.run({ model: model.path, width });
        if (status !== 200) failed++;
        answers.add(JSON.stringify(body));
      }
      expect({ failed, answers: answers.size }).toEqual({ failed: 0, answers: 1 });
      const said = (): string[] => runtime.stderr.split('\n').filter((line) => line.includes('loaded privately'));
      await until(() => said().length > 0, 'the log tells of a private load');
      expect(said()[0]).toMatch(reason);
    } finally {
      await runtime.stop();
      await end?.();
      await daemon.dispose();
    }
  });
});
