import {
  type CollectReply,
  type IngestRow,
  InstanceRegistrationSchema,
  InstanceTokenSchema,
  type LeaseRow,
  type ModelRow,
  PeerListSchema,
  PluginError,
  type StoreTotals,
  type TensorRow,
} from '@tetris/common';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { Ingest } from '../ingest/ingest';
import type { LeaseService } from '../lease/lease-service';
import type { LeaseTable } from '../lease/lease-table';
import type { Reclaimer } from '../store/reclaimer';
import type { Model } from '../store/catalog';
import type { Store } from '../store/store';
import type { PeerPool } from '../tier/peer-pool';
import { parseBody } from './http';

export interface OperatorParts {
  leases: LeaseService;
  table: LeaseTable;
  store: Store;
  reclaimer: Reclaimer;
  ingest: Pick<Ingest, 'list' | 'abort'>;
  registry: Registry;
  /** Undefined where there is nothing by which peers could know each other. */
  peers: Pick<PeerPool, 'setPeers'> | undefined;
}

const IngestParams = z.object({ id: z.string().max(64) });
const TokenParams = z.object({ token: InstanceTokenSchema });
const InventoryQuery = z.object({ since: z.coerce.number().int().min(0).optional() });

/** What the invoker extension and the operator may ask. */
export function addOperatorApi(app: FastifyInstance, parts: OperatorParts): void {
  const { leases, store, reclaimer, registry } = parts;

  app.put('/v1/instances/:token', async (request) => {
    const { token } = parseBody(TokenParams, request.params);
    const { namespace, models } = parseBody(InstanceRegistrationSchema, request.body);
    const registered = leases.registerInstance(token, namespace);
    // The answer is not to wait for it: the instance starts, or gets its action, meanwhile.
    setImmediate(() => void leases.prepare(token, models));
    return registered;
  });
  app.get('/v1/instances', async () => leases.instances());
  app.get('/v1/instances/:token', async (request) => leases.instance(parseBody(TokenParams, request.params).token));
  app.delete('/v1/instances/:token', async (request, reply) => {
    await leases.releaseInstance(parseBody(TokenParams, request.params).token);
    return reply.status(204).send();
  });

  app.put('/v1/peers', async (request, reply) => {
    const list = parseBody(PeerListSchema, request.body);
    if (parts.peers === undefined) {
      throw new PluginError('ERR_BAD_REQUEST', 'peers need peerSecretPath, or certificates for mutual TLS');
    }
    parts.peers.setPeers(list.peers);
    return reply.status(204).send();
  });
  app.get('/v1/inventory', async (request) => {
    return store.catalog.inventory(parseBody(InventoryQuery, request.query).since);
  });
  app.get('/v1/tensors', async () => tensorRows(parts));
  app.get('/v1/models', async () => modelRows(parts));
  app.get('/v1/leases', async () => leaseRows(parts));
  app.get('/v1/ingests', async (): Promise<IngestRow[]> => parts.ingest.list());
  app.delete('/v1/ingests/:id', async (request, reply) => {
    parts.ingest.abort(parseBody(IngestParams, request.params).id);
    return reply.status(204).send();
  });
  app.get('/v1/totals', async () => totals(parts));
  app.post('/v1/collect', async (): Promise<CollectReply> => reclaimer.free(Number.POSITIVE_INFINITY));

  app.get('/metrics', async (_request, reply) => {
    return reply.header('content-type', registry.contentType).send(await registry.metrics());
  });
}

function tensorRows({ store }: OperatorParts): TensorRow[] {
  return [...store.catalog.tensors()].map(({ sha256, bytes, models }) => {
    return { sha256, bytes, models, references: Math.max(0, store.links(sha256) - 1) };
  });
}

function modelRows({ store, table }: OperatorParts): ModelRow[] {
  return [...store.catalog.models()].map((model) => {
    const { modelKey, name, source, ingestMs, tensors } = model;
    return {
      modelKey,
      name,
      source,
      ingestMs,
      tensors: tensors.length,
      bytes: bytesOf(model),
      leases: table.modelUses(modelKey),
    };
  });
}

function leaseRows({ table }: OperatorParts): LeaseRow[] {
  return [...table.leases()].flatMap(({ leaseId, instance, name, sinceMs, state, modelKey }) => {
    if (state !== 'held' || modelKey === undefined) return [];
    const namespace = table.instance(instance)?.namespace ?? '';
    return [{ leaseId, instance, namespace, modelKey, name, sinceMs }];
  });
}

/** Totals of the store: what is there once, and what it would be if every lease had its own. */
export function totals({ store, table, reclaimer }: Pick<OperatorParts, 'store' | 'table' | 'reclaimer'>): StoreTotals {
  const { catalog } = store;
  const used = [...catalog.models()].filter(({ modelKey }) => table.modelUses(modelKey) > 0);
  const leased = new Set(used.flatMap(({ tensors }) => tensors));
  const sum = (tensors: Iterable<{ bytes: number }>): number => {
    let total = 0;
    for (const { bytes } of tensors) total += bytes;
    return total;
  };
  return {
    models: catalog.modelCount,
    tensors: catalog.tensorCount,
    leases: table.leaseCount,
    instances: table.instanceCount,
    uniqueBytes: sum(catalog.tensors()),
    unsharedBytes: used.reduce((total, model) => total + sum(model.tensors) * table.modelUses(model.modelKey), 0),
    leasedBytes: sum(leased),
    budgetBytes: reclaimer.bytesMax,
  };
}

function bytesOf({ tensors, graphBytes }: Model): number {
  return tensors.reduce((total, { bytes }) => total + bytes, graphBytes);
}
