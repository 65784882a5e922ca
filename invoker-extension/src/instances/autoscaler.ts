/** Brings the scaler's orders to the pool, and to the scaler what became of them. */
import { cpus } from 'node:os';
import { type ActionManifest, errorMessage, type Logger, PROFILE_NAME, STATUS, valueOf } from '@tetris/common';
import { LRUCache } from 'lru-cache';
import { type ActivationJob, groupKey, logFields, revisionKey } from '../messages/job';
import type { FunctionInstance } from './function-instance';
import type { AnsweredRun, InstanceManager, Ticket } from './instance-manager';
import type { Pool } from './pool';
import type { InvokerMetrics } from '../metrics';
import { plannedRows } from '../profiles/choose';
import type { ProfileArchive } from '../profiles/archive';
import type { ModelProfile } from '../profiles/result';
import { BYTES_PER_MB } from '../scaling/profile';
import type { Scaler } from '../scaling/scaler';
import { type InstanceSettings, roomOf, settingsOf, type SettingsDefaults, shapeBoundsOf } from '../scaling/settings';

export interface AutoscalerOptions {
  scaler: Scaler;
  pool: Pool<Ticket>;
  manager: () => InstanceManager;
  /** Profiles made beforehand. */
  archive: Pick<ProfileArchive, 'load'>;
  /** What is known of a revision. */
  manifestOf: (revision: string) => ActionManifest | undefined;
  defaults: SettingsDefaults;
  /** Largest batch where the action says nothing. */
  batchMax: number;
  /** Groups without an instance may get one before anybody asks: what they are made of is kept. */
  prewarms: boolean;
  /** Cores that instances with an objective may keep busy together. */
  cores: number;
  metrics: Pick<InvokerMetrics, 'profiles'>;
  log: Logger;
  nowMs: () => number;
}

/** Revisions remembered whose profile was found. */
const PROFILED_MAX = 1_000;

export class Autoscaler {
  readonly #options: AutoscalerOptions;
  /** What instances are made of that are started ahead of demand, by group. */
  readonly #jobs = new Map<string, ActivationJob>();
  /** Revisions whose profile was found, or is being looked for. */
  readonly #profiled = new LRUCache<string, true>({ max: PROFILED_MAX });

  constructor(options: AutoscalerOptions) {
    this.#options = options;
  }

  /**
   * An activation has come: what its group's next instance is to be. Without an objective that is what the action says.
   */
  arrived(job: ActivationJob): { settings: InstanceSettings; coresMax?: number } {
    const { scaler, defaults, batchMax, manifestOf, nowMs } = this.#options;
    const settings = settingsOf(job.action, defaults);
    const { sloMs, workers, batch } = settings;
    if (sloMs === undefined) return { settings };
    const key = groupKey(job);
    const revision = revisionKey(job);
    const isNew = !this.#jobs.has(key);
    this.#jobs.set(key, template(job));
    if (isNew) void this.#findProfile(job, revision, manifestOf(revision));
    const bounds = shapeBoundsOf(job.action, batchMax);
    const first = { ...settings, room: roomOf(workers, batch, bounds.roomMax) };
    const limitBytes = job.action.limits.memory * BYTES_PER_MB;
    return scaler.arrived({ key, revision, sloMs, limitBytes, first, ...bounds }, nowMs());
  }

  /** An instance has answered. */
  ran({ revision, settings }: FunctionInstance, run: AnsweredRun): void {
    if (settings.sloMs === undefined || !run.settled) return;
    this.#options.scaler.answered(run.group, run.tookMs);
    const batch = batchOf(run, settings);
    if (batch === 0 || run.activation.response.statusCode !== STATUS.success || this.#crowded()) return;
    const executionMs = (run.activation.duration ?? 0) - (run.inference?.waitedMs ?? 0);
    this.#options.scaler.ran(revision, { ...settings, batch }, executionMs);
  }

  /** Private bytes by instance. */
  measured(samples: ReadonlyMap<number, number>): void {
    const { instances } = this.#options.manager();
    for (const [id, bytes] of samples) {
      const instance = instances.get(id);
      if (instance?.settings.sloMs === undefined) continue;
      this.#options.scaler.measured(instance.revision, instance.settings, bytes);
    }
  }

  /** The models of a revision are known: where a profile was made of them, what it says need not be learned. */
  modelsKnown(revision: string, manifest: ActionManifest): void {
    const job = [...this.#jobs.values()].find((each) => revisionKey(each) === revision);
    if (job !== undefined) void this.#findProfile(job, revision, manifest);
  }

  warmUpFailed(group: string): void {
    this.#options.scaler.failed(group, this.#options.nowMs());
  }

  /** Plans and does it. Call it every few seconds. */
  plan(): void {
    const { scaler, pool, manager, prewarms, nowMs } = this.#options;
    const living = [...pool.instances()]
      .filter(({ state, settings }) => settings.sloMs !== undefined && state !== 'draining' && state !== 'ending')
      .map(({ id, group, settings, state }) => ({
        id,
        group: group.description.key,
        settings,
        ready: state !== 'starting' && state !== 'initialising',
      }));
    const orders = scaler.plan(living, nowMs(), pool.memory.budgetBytes - pool.memory.usedBytes);
    manager().apply(pool.planned(orders, nowMs()));
    for (const { group, settings } of orders.starts) {
      const job = this.#jobs.get(group);
      if (job !== undefined) manager().warmUp(job, settings);
    }
    const alive = new Set(living.map(({ group }) => group));
    for (const group of this.#jobs.keys()) {
      if (!orders.groups.has(group) || !(prewarms || alive.has(group))) this.#jobs.delete(group);
    }
  }

  /**
   * More instances run or start than there are cores, for a while: what takes longer for that tells nothing of its
   * shape.
   */
  #crowded(): boolean {
    const { scaler, pool, cores } = this.#options;
    let [busy, passing] = [0, scaler.replaces];
    for (const { state, settings } of pool.instances()) {
      if (state === 'paused' || settings.sloMs === undefined) continue;
      busy += settings.workers * settings.threads;
      passing ||= state === 'starting' || state === 'initialising' || state === 'draining';
    }
    return passing && busy > cores;
  }

  /** By the name that the action's author gave, else by the digest of the one model that it loads. */
  async #findProfile(job: ActivationJob, revision: string, manifest: ActionManifest | undefined): Promise<void> {
    const { archive, scaler, metrics, log } = this.#options;
    const name = valueOf(job.action.annotations, 'tetris-profile');
    const named = typeof name === 'string' ? PROFILE_NAME.exec(name) : null;
    const [model, ...others] = manifest?.models ?? [];
    const sha256 = named?.[1] ?? (others.length === 0 ? model : undefined);
    if (sha256 === undefined || this.#profiled.has(revision)) return;
    this.#profiled.set(revision, true);
    try {
      const profiles = await archive.load(sha256, named === null ? undefined : Number(named[2]));
      const usable = profiles
        .map((profile) => ({ rows: plannedRows(profile.entries), sameMachine: isOfThisMachine(profile) }))
        .filter(({ rows }) => rows.length > 0);
      const found = usable.find(({ sameMachine }) => sameMachine) ?? usable[0];
      metrics.profiles.inc({ outcome: found === undefined ? 'absent' : 'found' });
      if (found !== undefined) {
        const { rows, sameMachine } = found;
        log.info({ ...logFields(job.message), model: sha256, rows: rows.length, sameMachine }, 'profile found');
        return scaler.given(revision, rows);
      }
      if (name !== undefined) log.warn({ ...logFields(job.message), profile: name }, 'no such profile: it is learned');
    } catch (error) {
      metrics.profiles.inc({ outcome: 'failed' });
      log.warn({ ...logFields(job.message), reason: errorMessage(error) }, 'profile not read: it is learned');
    }
    this.#profiled.delete(revision);
  }
}

/** Figures of another machine are a beginning only; they are corrected while the action serves. */
function isOfThisMachine({ machine }: ModelProfile): boolean {
  return machine.cores === cpus().length && machine.cpu === cpus()[0]?.model;
}

/**
 * Of how many requests the execution was that an activation tells of; 0 for none. As the runtime says; where it does
 * not, the time of a full batch's last member, which has not waited for mates, is that of the batch.
 */
function batchOf({ inference, together }: AnsweredRun, { batch }: InstanceSettings): number {
  if (inference !== undefined) return Number.isInteger(Math.log2(inference.requests)) ? inference.requests : 0;
  return together % batch === 0 ? batch : 0;
}

/** What `/init` needs of a job: its arguments, which may be large, only where they become environment. */
function template(job: ActivationJob): ActivationJob {
  const { content, initArgs } = job.message;
  const wanted = content == null || Array.isArray(content) ? {} : (content as Readonly<Record<string, unknown>>);
  const kept = Object.fromEntries(Object.entries(wanted).filter(([name]) => initArgs.includes(name)));
  return { ...job, message: { ...job.message, content: kept } };
}
