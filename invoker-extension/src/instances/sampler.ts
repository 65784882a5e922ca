/** Measures what instances and store really use, and learns which tensors an action needs. */
import { type ActionManifest, type DaemonOperator, errorMessage, type Logger } from '@tetris/common';
import type { FunctionInstance } from './function-instance';

export interface SamplerOptions {
  /** Undefined without a daemon: private bytes only. */
  daemon: Pick<DaemonOperator, 'totals' | 'instance'> | undefined;
  instances: () => Iterable<FunctionInstance>;
  /** New figures: bytes that leases hold (undefined where the daemon does not answer), private bytes by instance. */
  onMeasured: (leasedBytes: number | undefined, privateBytes: ReadonlyMap<number, number>) => void;
  /** The manifest of an action revision is new or has changed. */
  onManifest: (revision: string, manifest: ActionManifest) => void;
  log: Logger;
  /** How often an instance is measured, ms; those just used for the first time are measured at once. */
  intervalMs: number;
}

/** Private bytes that differ by less than this share of the known figure are no news. */
const CHANGE_MIN = 0.1;

export class Sampler {
  readonly #options: SamplerOptions;
  /** Instances whose first activation has been answered. */
  readonly #used = new Set<number>();
  readonly #known = new Map<string, ActionManifest>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => void this.sample(), this.#options.intervalMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  /** An instance has answered an activation. The first time it is measured soon, because an estimate waits for it. */
  used({ id }: FunctionInstance): void {
    if (this.#used.has(id)) return;
    this.#used.add(id);
    void this.sample();
  }

  /** One round over all instances; asked for during a round, another follows it. */
  async sample(): Promise<void> {
    this.#again = true;
    this.#running ??= (async (): Promise<void> => {
      while (this.#again) {
        this.#again = false;
        await this.#round();
      }
      this.#running = undefined;
    })();
    await this.#running;
  }

  async #round(): Promise<void> {
    const instances = [...this.#options.instances()];
    this.#forgetGone(instances);
    const samples = new Map<number, number>();
    const seen = new Map<string, ActionManifest>();
    for (const instance of instances) {
      if (!this.#used.has(instance.id)) continue;
      const bytes = await instance.privateBytes();
      if (bytes === undefined) continue;
      samples.set(instance.id, bytes);
      // What it needs at work is known from before.
      if (instance.level !== 'awake') continue;
      const loaded = await this.#loadedBy(instance);
      if (loaded === undefined) continue;
      const manifest = { ...loaded, privateBytes: bytes };
      const others = seen.get(instance.revision);
      seen.set(instance.revision, others === undefined ? manifest : joined(others, manifest));
    }
    for (const [revision, manifest] of seen) this.#learn(revision, manifest);
    this.#options.onMeasured(await this.#leasedBytes(), samples);
  }

  async #leasedBytes(): Promise<number | undefined> {
    if (this.#options.daemon === undefined) return undefined;
    try {
      return (await this.#options.daemon.totals()).leasedBytes;
    } catch (error) {
      this.#options.log.debug({ reason: errorMessage(error) }, 'tensor daemon does not answer');
      return undefined;
    }
  }

  #learn(revision: string, manifest: ActionManifest): void {
    const known = this.#known.get(revision);
    if (known !== undefined && !differs(known, manifest)) return;
    this.#known.set(revision, manifest);
    this.#options.onManifest(revision, manifest);
  }

  async #loadedBy({
    token,
  }: FunctionInstance): Promise<Required<Pick<ActionManifest, 'tensors' | 'models'>> | undefined> {
    const { daemon, log } = this.#options;
    if (daemon === undefined || token === undefined) return { tensors: [], models: [] };
    try {
      const { models } = await daemon.instance(token);
      const byDigest = new Map(
        models.flatMap(({ tensors }) => tensors.map((tensor) => [tensor.sha256, tensor] as const)),
      );
      const sources = new Set(models.flatMap(({ source }) => source ?? []));
      return { tensors: [...byDigest.values()], models: [...sources] };
    } catch (error) {
      log.debug({ reason: errorMessage(error) }, 'tensor daemon does not know the instance');
      return undefined;
    }
  }

  /** Keeps the books as small as the set of living instances. */
  #forgetGone(instances: readonly FunctionInstance[]): void {
    const ids = new Set(instances.map(({ id }) => id));
    const revisions = new Set(instances.map(({ revision }) => revision));
    for (const id of this.#used) if (!ids.has(id)) this.#used.delete(id);
    for (const revision of this.#known.keys()) if (!revisions.has(revision)) this.#known.delete(revision);
  }
}

/** What an action needs where its instances have loaded different models: all of it, as the next one may. */
function joined(one: ActionManifest, other: ActionManifest): ActionManifest {
  const tensors = new Map([...one.tensors, ...other.tensors].map((tensor) => [tensor.sha256, tensor]));
  return {
    tensors: [...tensors.values()],
    privateBytes: Math.max(one.privateBytes, other.privateBytes),
    models: [...new Set([...(one.models ?? []), ...(other.models ?? [])])],
  };
}

/** Has the set of tensors grown or changed, or the private memory by more than a tenth? */
function differs(known: ActionManifest, { tensors, privateBytes }: ActionManifest): boolean {
  const digests = new Set(known.tensors.map(({ sha256 }) => sha256));
  if (tensors.some(({ sha256 }) => !digests.has(sha256))) return true;
  return Math.abs(privateBytes - known.privateBytes) > CHANGE_MIN * known.privateBytes;
}
