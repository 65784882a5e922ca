/** Parts and messages for tests of the invoker extension. */
import type { Action, ActivationMessage } from '@tetris/common';
import type {
  CallOptions,
  Container,
  ContainerFactory,
  ContainerReply,
  ContainerSpec,
  LogLine,
} from '@tetris/invoker-extension';

let counter = 0;

/** Each call has another activation id. */
export function aMessage(overrides: Partial<ActivationMessage> = {}): ActivationMessage {
  counter += 1;
  return {
    transid: ['Zt4vQ9mB1xKc7LwYp3RsNf6HdJ2aGe80', 1_767_225_600_123],
    action: { path: 'guest', name: 'classify', version: '0.0.3' },
    revision: '5-abc',
    user: {
      subject: 'guest-subject',
      namespace: { name: 'guest', uuid: '6f1d2c3b-4a59-4687-8695-0a1b2c3d4e5f' },
      authkey: { api_key: 'uuid:secret' },
      rights: ['ACTIVATE'],
      limits: {},
    },
    activationId: counter.toString(16).padStart(32, '0'),
    rootControllerIndex: { asString: '0', instanceType: 'controller' },
    blocking: true,
    content: {},
    initArgs: [],
    lockedArgs: {},
    ...overrides,
  };
}

/** With its revision; an echo unless told otherwise. */
export function aStoredAction(overrides: Partial<Action> = {}): Action {
  return {
    namespace: 'guest',
    name: 'classify',
    version: '0.0.3',
    revision: '5-abc',
    publish: false,
    updated: 0,
    exec: { kind: 'nodejs:20', code: 'function main(args) { return args; }', binary: false },
    parameters: [],
    annotations: [{ key: 'provide-api-key', value: false }],
    limits: { timeout: 10_000, memory: 256, logs: 1, concurrency: 1 },
    ...overrides,
  };
}

export const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';

export const answered = (status: number, body: unknown): ContainerReply => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { outcome: 'answered', status, body: text, bytes: Buffer.byteLength(text), truncated: false };
};

/** What a fake container does with a request. The default answers 200 and both sentinels. */
export type Behaviour = (
  path: '/init' | '/run',
  body: Record<string, unknown>,
  container: FakeContainer,
) => Promise<ContainerReply> | ContainerReply;

/** A container without a process. */
export class FakeContainer implements Container {
  readonly name: string;
  readonly ended: Promise<void>;
  readonly spec: ContainerSpec;
  readonly calls: string[] = [];
  /** What each `/run` was told of when it is due. */
  readonly dueMs: (number | undefined)[] = [];
  ownBytes = 10 * 1024 ** 2;
  restartFails = false;
  #end: () => void = () => undefined;
  #listener: (line: LogLine) => void = () => undefined;
  readonly #behave: Behaviour;

  constructor(spec: ContainerSpec, behave: Behaviour) {
    this.spec = spec;
    this.name = spec.name;
    this.#behave = behave;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  async post(path: '/init' | '/run', body: string, options?: CallOptions): Promise<ContainerReply> {
    this.calls.push(path);
    if (path === '/run') this.dueMs.push(options?.dueMs);
    const gone = this.ended.then((): ContainerReply => ({ outcome: 'gone', reached: true }));
    return Promise.race([gone, Promise.resolve(this.#behave(path, JSON.parse(body) as Record<string, unknown>, this))]);
  }

  print(activationId: string, stream: 'stdout' | 'stderr', text: string): void {
    this.#listener({ atMs: 1_767_225_600_250, stream, text: `\u0001${activationId}\u0001${text}` });
  }

  sentinels(activationId: string): void {
    this.print(activationId, 'stdout', SENTINEL);
    this.print(activationId, 'stderr', SENTINEL);
  }

  onLog(listener: (line: LogLine) => void): void {
    this.#listener = listener;
  }

  async pause(): Promise<void> {
    this.calls.push('pause');
  }

  async resume(): Promise<void> {
    this.calls.push('resume');
  }

  async halt(): Promise<boolean> {
    this.calls.push('halt');
    return true;
  }

  async restart(): Promise<void> {
    this.calls.push('restart');
    if (this.restartFails) throw new Error('no process');
  }

  async privateBytes(): Promise<number> {
    return this.ownBytes;
  }

  async destroy(): Promise<void> {
    this.calls.push('destroy');
    this.#end();
  }
}

export class FakeFactory implements ContainerFactory {
  readonly containers: FakeContainer[] = [];
  orphans: string[] = [];
  fails = false;

  readonly #behave: Behaviour;

  constructor(behave: Behaviour = echo) {
    this.#behave = behave;
  }

  async create(spec: ContainerSpec): Promise<Container> {
    if (this.fails) throw new Error('no engine');
    const container = new FakeContainer(spec, (...call) => this.#behave(...call));
    this.containers.push(container);
    return container;
  }

  async removeOrphans(): Promise<string[]> {
    return this.orphans;
  }

  async close(): Promise<void> {
    await Promise.all(this.containers.map((container) => container.destroy()));
  }
}

/** Good answers: `/init` is ready, `/run` gives its arguments back. */
export const echo: Behaviour = (path, body, container) => {
  if (path === '/init') return answered(200, { OK: true });
  container.sentinels(String(body.activation_id));
  return answered(200, body.value);
};
