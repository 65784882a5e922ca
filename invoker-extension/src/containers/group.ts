import type { ActionManifest } from '@tetris/common';
import type { Instance } from './instance-record';
import type { MemoryNeed } from './node-memory';

/** What activations of one action revision and one invoking namespace have in common. */
export interface GroupDescription {
  key: string;
  /** The action revision, under which its manifest is known. */
  revision: string;
  /** The invoking namespace. */
  namespace: string;
  /** Activations an instance takes at once. */
  room: number;
  /** The action's memory limit. */
  limitBytes: number;
  /** Known once any node has run the action. */
  manifest: ActionManifest | undefined;
}

/** Activations that may share instances, and those instances. */
export class Group<Ticket> {
  description: GroupDescription;
  /** In order of arrival. */
  readonly waiting: { ticket: Ticket; sinceMs: number }[] = [];
  readonly instances = new Set<Instance<Ticket>>();

  constructor(description: GroupDescription) {
    this.description = description;
  }

  get need(): MemoryNeed {
    return this.description;
  }

  /** Arrival of the oldest waiting ticket, epoch ms; infinite where none waits. */
  get oldestMs(): number {
    return this.waiting[0]?.sinceMs ?? Number.POSITIVE_INFINITY;
  }

  /** The instance that takes the next ticket. */
  withRoom(): Instance<Ticket> | undefined {
    let best: Instance<Ticket> | undefined;
    for (const instance of this.instances) {
      if (rank(instance) > (best === undefined ? 0 : rank(best))) best = instance;
    }
    return best;
  }

  /** Tickets that instances on their way up will take beside those that started them. */
  comingRoom(): number {
    let room = 0;
    for (const { state, room: whole, running } of this.instances) {
      if (state === 'starting' || state === 'initialising') room += whole - running.size;
    }
    return room;
  }
}

/** 0 cannot take one; paused ranks below awake, and among the awake the fullest is best. */
function rank({ state, room, running }: Instance<unknown>): number {
  if (running.size >= room) return 0;
  if (state === 'paused') return 0.5;
  return state === 'warm' || state === 'busy' ? 1 + running.size : 0;
}
