/**
 * Which instances the groups with an objective need, after Tetris (USENIX ATC '22) and INFless (ASPLOS '22). Pure:
 * told of arrivals, completions and living instances, it answers with what to start and to end. Bounded by the groups
 * and revisions it remembers; the one not seen for longest is forgotten.
 */
import { LRUCache } from 'lru-cache';
import {
  type GroupPlan,
  GroupScaler,
  type GroupScalerOptions,
  type LivingInstance,
  type ScaledGroup,
} from './group-scaler';
import { type LearnedRow, OnlineProfile, type OnlineProfileOptions } from './online-profile';
import type { ProfileRow } from './profile';
import { type InstanceSettings, settingsOfRow, shapeOf } from './settings';

export interface ScalerOptions extends GroupScalerOptions {
  profile: OnlineProfileOptions;
  /** Cores that instances with an objective may keep busy together. */
  cores: number;
  groupsMax: number;
}

export interface ScalingOrders {
  starts: { group: string; settings: InstanceSettings; row: LearnedRow }[];
  /** What demand starts next, by group. */
  groups: Map<string, Pick<GroupPlan, 'coresMax'> & { settings: InstanceSettings }>;
  ends: number[];
}

export class Scaler {
  readonly #options: ScalerOptions;
  readonly #groups: LRUCache<string, GroupScaler>;
  readonly #profiles: LRUCache<string, OnlineProfile>;
  #replaces = false;

  constructor(options: ScalerOptions) {
    this.#options = options;
    this.#groups = new LRUCache({ max: options.groupsMax });
    this.#profiles = new LRUCache({ max: options.groupsMax });
  }

  /** An activation came. Answers what its group's next instance is to be. */
  arrived(group: ScaledGroup, nowMs: number): { settings: InstanceSettings; coresMax: number } {
    const known = this.#groups.get(group.key) ?? new GroupScaler(group, this.#options, this.#options.cores, nowMs);
    known.group = group;
    this.#groups.set(group.key, known);
    known.arrived(nowMs);
    return { settings: known.next, coresMax: known.coresMax };
  }

  /** A full batch was executed. */
  ran(revision: string, settings: InstanceSettings, executionMs: number): void {
    this.#profile(revision).ran(shapeOf(settings), executionMs);
  }

  /** An activation of this group was answered by an instance at work, so long after it came. */
  answered(group: string, tookMs: number): void {
    this.#groups.peek(group)?.answered(tookMs);
  }

  /** An instance at work was measured. */
  measured(revision: string, settings: InstanceSettings, privateBytes: number): void {
    this.#profile(revision).measured(shapeOf(settings), privateBytes);
  }

  /** The profiler's figures; what was learned stays beside them. */
  given(revision: string, rows: readonly ProfileRow[]): void {
    this.#profile(revision).given(rows);
  }

  /** A start ahead of demand has failed. */
  failed(group: string, nowMs: number): void {
    this.#groups.peek(group)?.failed(nowMs);
  }

  /** Whether instances are being replaced: for the time of it more of them run than there are cores. */
  get replaces(): boolean {
    return this.#replaces;
  }

  /**
   * @param living every instance that takes activations or soon will; those of groups without an objective are ignored
   * @param bytesFree memory that nobody has
   */
  plan(living: readonly LivingInstance[], nowMs: number, bytesFree = Infinity): ScalingOrders {
    const orders: ScalingOrders = { starts: [], groups: new Map(), ends: [] };
    const free = { cores: this.#options.cores, bytes: bytesFree };
    this.#replaces = false;
    // Those first that hold least: a busy group must not shut out a new one for ever.
    const members = [...this.#groups.values()]
      .reverse()
      .map((group) => ({ group, instances: living.filter(({ group: key }) => key === group.group.key) }))
      .sort((one, other) => one.instances.length - other.instances.length);
    for (const { group, instances } of members) {
      const { key, revision, sloMs, roomMax, first } = group.group;
      const rows = this.#profiles.peek(revision)?.rows() ?? [];
      const plan = group.plan(instances, rows, free, nowMs);
      free.cores -= plan.cores;
      free.bytes -= plan.starts.reduce((sum, { privateBytes }) => sum + privateBytes, 0);
      this.#replaces ||= plan.replaces;
      orders.starts.push(
        ...plan.starts.map((row) => ({ group: key, settings: settingsOfRow(row, sloMs, roomMax, first.padding), row })),
      );
      orders.ends.push(...plan.ends);
      orders.groups.set(key, { settings: plan.next, coresMax: plan.coresMax });
    }
    return orders;
  }

  #profile(revision: string): OnlineProfile {
    const known = this.#profiles.get(revision) ?? new OnlineProfile(this.#options.profile);
    this.#profiles.set(revision, known);
    return known;
  }
}
