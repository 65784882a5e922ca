/**
 * The invokers behind the load balancer. Pure: time comes in as `nowMs`.
 *
 * | event | effect |
 * | --- | --- |
 * | ping | online; enabled as it says (absent means true) |
 * | status | flavour `tetris`, node, memory, load; a sign of life, but only pings make it usable |
 * | no ping for `silenceMs` | not usable |
 * | no sign of life for `silenceMs` | offline: what it had in flight is lost |
 * | more than 3 system errors in the last 10 outcomes | avoided for `suspectMs` |
 *
 * Silence and ring of outcomes are the stock controller's (`InvokerSupervision.scala`).
 */
import { parseByteSize, type InvokerStatus, type PingMessage } from '@tetris/common';
import { type Invoker, newInvoker } from './invoker';

export interface FleetRules {
  silenceMs: number;
  /** An invoker that has pinged for so long without publishing a status is a stock one. */
  stockGraceMs: number;
  suspectMs: number;
  /** Offline invokers are forgotten after this. */
  forgetMs: number;
  /** Invoker ids at or above this are ignored. */
  invokersMax: number;
}

export class Fleet {
  readonly #rules: FleetRules;
  readonly #invokers = new Map<number, Invoker>();
  #usable: { tetris: Invoker[]; stock: Invoker[]; any: Invoker[] } | undefined;
  #stock: Invoker[] | undefined;

  constructor(rules: FleetRules) {
    this.#rules = rules;
  }

  get(instance: number): Invoker | undefined {
    return this.#invokers.get(instance);
  }

  /** Every known invoker by ascending id. */
  all(): Invoker[] {
    return [...this.#invokers.values()].sort((one, other) => one.instance - other.instance);
  }

  /** Usable invokers of one flavour, or of any, by ascending id. The array is the caller's to read only. */
  usable(flavour: 'tetris' | 'stock' | 'any', nowMs: number): readonly Invoker[] {
    this.#usable ??= this.#sortOut(nowMs);
    return this.#usable[flavour];
  }

  isUsable(invoker: Invoker, nowMs: number): boolean {
    return this.#isUp(invoker, nowMs) && invoker.suspectUntilMs <= nowMs;
  }

  /** Stock invokers by ascending id, offline ones included: they keep their places in the home-invoker walk. */
  stock(): readonly Invoker[] {
    this.#stock ??= this.all().filter((invoker) => invoker.flavour === 'stock');
    return this.#stock;
  }

  ping(ping: PingMessage, nowMs: number): Invoker | undefined {
    const invoker = this.#meet(ping.name.instance, nowMs);
    if (invoker === undefined) return undefined;
    this.#update(invoker, { enabled: ping.isEnabled ?? true, online: true });
    if (nowMs - invoker.lastPingMs > this.#rules.silenceMs) this.#changed();
    invoker.lastPingMs = nowMs;
    invoker.lastSeenMs = nowMs;
    if (invoker.flavour === 'tetris') return invoker;
    invoker.memoryBytes = parseByteSize(ping.name.userMemory) ?? 0;
    if (invoker.flavour === 'unknown' && nowMs - invoker.firstSeenMs >= this.#rules.stockGraceMs) {
      this.#update(invoker, { flavour: 'stock' });
    }
    return invoker;
  }

  status(status: InvokerStatus, nowMs: number): Invoker | undefined {
    const invoker = this.#meet(status.instance, nowMs);
    if (invoker === undefined) return undefined;
    this.#update(invoker, { flavour: 'tetris', node: status.node, draining: status.draining, online: true });
    invoker.lastSeenMs = nowMs;
    invoker.memoryBytes = status.memoryBytes;
    invoker.freeBytes = status.memoryBytes - status.memoryUsedBytes;
    invoker.reclaimableBytes = status.memoryReclaimableBytes ?? 0;
    invoker.reclaimableTensorBytes = status.memoryReclaimableTensorBytes ?? 0;
    invoker.positions.read(status.readUpTo);
    invoker.reportedLoad = status.running + status.waiting;
    invoker.oldestStartMs = oldestStart(status);
    invoker.runsOnce = status.runsOnce === true;
    return invoker;
  }

  /** Books how an activation ended. */
  outcome(instance: number, isSystemError: boolean, nowMs: number): void {
    const invoker = this.#invokers.get(instance);
    if (invoker === undefined) return;
    invoker.lastSeenMs = nowMs;
    invoker.outcomes.add(isSystemError ? 'system-error' : 'answered');
    if (!isSystemError || !invoker.outcomes.tooMany('system-error')) return;
    invoker.outcomes.clear();
    invoker.suspectUntilMs = nowMs + this.#rules.suspectMs;
    this.#changed();
  }

  /** Once a second. Returns the invokers that have just been given up. */
  tick(nowMs: number): Invoker[] {
    const lost = [...this.#invokers.values()].filter(
      ({ online, lastSeenMs }) => online && nowMs - lastSeenMs > this.#rules.silenceMs,
    );
    for (const invoker of lost) invoker.online = false;
    this.#changed();
    return lost;
  }

  /** Forgets those that have been offline for long. Returns the nodes that no invoker is left of. */
  forget(nowMs: number): string[] {
    const old = [...this.#invokers.values()].filter(({ lastSeenMs }) => nowMs - lastSeenMs > this.#rules.forgetMs);
    for (const { instance } of old) this.#invokers.delete(instance);
    if (old.length > 0) this.#changed();
    const left = new Set([...this.#invokers.values()].map(({ node }) => node));
    return old.flatMap(({ node }) => (node === undefined || left.has(node) ? [] : [node]));
  }

  /** Time that passed while nothing could be heard counts against nobody. */
  excuse(elapsedMs: number): void {
    for (const invoker of this.#invokers.values()) {
      invoker.lastSeenMs += elapsedMs;
      invoker.lastPingMs += elapsedMs;
    }
  }

  #meet(instance: number, nowMs: number): Invoker | undefined {
    let invoker = this.#invokers.get(instance);
    if (invoker === undefined && instance < this.#rules.invokersMax) {
      invoker = newInvoker(instance, nowMs);
      this.#invokers.set(instance, invoker);
      this.#changed();
    }
    return invoker;
  }

  #update(
    invoker: Invoker,
    change: Partial<Pick<Invoker, 'enabled' | 'online' | 'flavour' | 'node' | 'draining'>>,
  ): void {
    const changed = Object.entries(change).some(([name, value]) => invoker[name as keyof Invoker] !== value);
    if (!changed) return;
    Object.assign(invoker, change);
    this.#changed();
  }

  #changed(): void {
    this.#usable = undefined;
    this.#stock = undefined;
  }

  #isUp({ online, enabled, draining, lastPingMs }: Invoker, nowMs: number): boolean {
    return online && enabled && !draining && nowMs - lastPingMs <= this.#rules.silenceMs;
  }

  /** Suspects are used only where there is nobody else. */
  #sortOut(nowMs: number): { tetris: Invoker[]; stock: Invoker[]; any: Invoker[] } {
    const up = this.all().filter((invoker) => this.#isUp(invoker, nowMs));
    const trusted = (invokers: Invoker[]): Invoker[] => {
      const good = invokers.filter((invoker) => invoker.suspectUntilMs <= nowMs);
      return good.length > 0 ? good : invokers;
    };
    return {
      tetris: trusted(up.filter((invoker) => invoker.flavour === 'tetris')),
      stock: trusted(up.filter((invoker) => invoker.flavour === 'stock')),
      any: trusted(up.filter((invoker) => invoker.flavour !== 'unknown')),
    };
  }
}

function oldestStart({ oldestStartMs, running, waiting }: InvokerStatus): number | undefined {
  if (typeof oldestStartMs === 'number') return oldestStartMs;
  const isIdle = oldestStartMs === null || running + waiting === 0;
  return isIdle ? Number.POSITIVE_INFINITY : undefined;
}
