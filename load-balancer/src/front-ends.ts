/** The front ends that an operator has asked for, as one. */
import { PluginError, TOPIC_SETTINGS } from '@tetris/common';
import type { BalancerConfig } from './config';
import { FpcFrontEnd } from './fpc/fpc-front-end';
import type { FpcAdapters } from './fpc/options';
import type { Arrival, FleetState, FrontEnd, FrontEndParts } from './front-end';
import { VirtualInvokers } from './relay/virtual-invoker';

/** @throws PluginError `ERR_CONFIG_INVALID` where one lacks what it stands on */
export function makeFrontEnd(parts: FrontEndParts, config: BalancerConfig, fpc: FpcAdapters | undefined): FrontEnd {
  return new FrontEnds(
    config.frontEnds.map((mode) =>
      mode === 'fpc' ? fpcFrontEnd(parts, config, fpc) : shardingFrontEnd(parts, config),
    ),
  );
}

/** Id of the first of our invokers in FPC mode, of which each load balancer has one. */
export const fpcInvokerOf = ({ fpcFirstInvoker, firstVirtualInvoker }: BalancerConfig): number =>
  fpcFirstInvoker + firstVirtualInvoker;

function shardingFrontEnd(parts: FrontEndParts, config: BalancerConfig): FrontEnd {
  const { firstVirtualInvoker: first, virtualInvokers: count, messageBytesMax } = config;
  return new VirtualInvokers(parts, {
    instances: Array.from({ length: count }, (_, index) => first + index),
    userMemoryBytes: config.userMemory,
    name: config.name,
    capacity: config.arrivalCapacity,
    settings: { ...TOPIC_SETTINGS.invoker, messageBytesMax },
  });
}

function fpcFrontEnd(parts: FrontEndParts, config: BalancerConfig, adapters: FpcAdapters | undefined): FrontEnd {
  if (adapters === undefined) throw new PluginError('ERR_CONFIG_INVALID', "front end 'fpc' needs etcd and schedulers");
  return new FpcFrontEnd(parts, adapters, {
    invoker: fpcInvokerOf(config),
    owner: `${config.name}-lb-${config.firstVirtualInvoker}`,
    name: config.name,
    userMemoryBytes: config.userMemory,
    kinds: config.tetrisKinds,
    plainKinds: config.plainKinds,
    cluster: config.etcdCluster,
    tags: config.fpcTags,
    leaseTtlMs: config.etcdLeaseTtlMs,
    actionsMax: config.actionsMax,
    actionsIntervalMs: config.fpcActionsIntervalMs,
    newQueueHints: config.fpcNewQueueHints,
    pullsMax: config.fpcPullsMax,
    pulledMax: config.fpcPulledMax,
    capacity: Math.min(config.arrivalCapacity, config.waitingMax),
    idleMs: config.fpcIdleMs,
    lostMs: config.fpcLostMs,
    surplusMs: config.fpcSurplusMs,
    elsewhereMs: config.fpcElsewhereMs,
    surplusMax: config.fpcSurplusMax,
    messageBytesMax: config.messageBytesMax,
  });
}

class FrontEnds implements FrontEnd {
  readonly #all: readonly FrontEnd[];

  constructor(all: readonly FrontEnd[]) {
    this.#all = all;
  }

  async start(accept: (arrival: Arrival) => Promise<void>): Promise<void> {
    for (const each of this.#all) await each.start(accept);
  }

  async announce(fleet: FleetState): Promise<void> {
    await Promise.all(this.#all.map(async (each) => each.announce(fleet)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map(async (each) => each.close()));
  }
}
