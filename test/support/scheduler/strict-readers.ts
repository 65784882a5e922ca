/** Reads what an invoker tells a scheduler as strictly as a stock scheduler does, and says what it would choke on. */
import { InvokerInstanceIdSchema } from '@tetris/common';
import type { FetchRequest } from '@tetris/load-balancer';
import { z } from 'zod';

type Complain = (problem: string) => void;

/** A key under `namespace/` or `warmed/`. */
export interface ContainerKey {
  namespace: string;
  /** Invoking namespace, fully qualified name and revision. */
  action: string;
  invoker: number;
  container: string;
}

const KEY = /^(namespace|warmed)\/([^/]+)\/(.+)\/([^/]+)\/(invoker\d+|invoker\/\d+)\/container\/([^/]+)$/;
const REVISION = /^\d+-[0-9a-f]+$/;

export function readKey(key: string, cluster: string, complain: Complain): ContainerKey | undefined {
  const [, kind, namespace = '', name = '', revision = '', invoker = '', container = ''] =
    KEY.exec(key.slice(cluster.length + 1)) ?? [];
  const isWarmed = kind === 'warmed';
  if (kind === undefined || invoker.includes('/') !== isWarmed || !REVISION.test(revision)) {
    complain(`key '${key}' cannot be read`);
    return undefined;
  }
  const id = Number(invoker.replace(/^invoker\/?/, ''));
  return { namespace, action: `${namespace} ${name} ${revision}`, invoker: id, container };
}

const mb = z.number().int().min(0);
/** All six are mandatory. */
const InvokerSchema = z.strictObject({
  status: z.enum(['up', 'down', 'unhealthy', 'unresponsive']),
  freeMemory: mb,
  busyMemory: mb,
  inProgressMemory: mb,
  tags: z.array(z.string()),
  dedicatedNamespaces: z.array(z.string()),
});

export function readInvoker(
  key: string,
  value: string,
  complain: Complain,
): { id: number; up: boolean; freeMemory: number; tags: string[] } | undefined {
  const id = /\/invokers\/(\d+)(\/[^/]+){0,2}$/.exec(key)?.[1];
  const parsed = InvokerSchema.safeParse(JSON.parse(value));
  if (id === undefined || !parsed.success) {
    complain(`invoker '${key}' = ${value} cannot be read`);
    return undefined;
  }
  const { status, freeMemory, tags } = parsed.data;
  return { id: Number(id), up: status === 'up', freeMemory, tags };
}

/** Those that a stock scheduler parses; any other makes it drop the ack. */
const ERRORS = [
  'NoAvailableInvokersError',
  'NoAvailableResourceInvokersError',
  'ResourceNotEnoughError',
  'WhiskError',
  'UnknownError',
  'TimeoutError',
  'ZeroNamespaceLimit',
  'DBFetchError',
  'BlackBoxError',
  'TooManyConcurrentRequests',
  'InvalidActionLimitError',
] as const;
const AckSchema = z.object({
  transid: z.tuple([z.string(), z.number()]).rest(z.unknown()),
  creationId: z.string().regex(/^[0-9a-f]{32}$/),
  invocationNamespace: z.string(),
  action: z.object({ path: z.string(), name: z.string() }),
  revision: z.string(),
  actionMetaData: z.object({
    ...{ namespace: z.string(), name: z.string(), version: z.string(), publish: z.boolean() },
    annotations: z.array(z.unknown()),
    parameters: z.array(z.unknown()),
    limits: z.object({ timeout: z.number(), memory: z.number(), logs: z.number(), concurrency: z.number() }),
    exec: z.object({ kind: z.string(), binary: z.boolean() }),
  }),
  rootInvokerIndex: InvokerInstanceIdSchema.required({ tags: true, dedicatedNamespaces: true }),
  schedulerHost: z.string(),
  rpcPort: z.number().int(),
  retryCount: z.number().int(),
  error: z.enum(ERRORS).optional(),
  reason: z.string().optional(),
});

export function readAck(text: string, complain: Complain): z.infer<typeof AckSchema> | undefined {
  const parsed = AckSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  complain(`${parsed.error.message} in ${text.slice(0, 500)}`);
  return undefined;
}

export interface ReadPull {
  namespace: string;
  fqn: { path: string; name: string };
  revision: string;
  container: string;
  warmed: boolean;
  lastDurationMs: number | undefined;
  alive: boolean;
}

export function readPull(request: FetchRequest, complain: Complain): ReadPull | undefined {
  try {
    const [transaction] = z.tuple([z.string(), z.number()]).parse(JSON.parse(request.transactionId));
    const fqn = z
      .looseObject({ path: z.string(), name: z.string(), version: z.string() })
      .parse(JSON.parse(request.fqn));
    const revision = z.string().regex(REVISION).parse(JSON.parse(request.rev));
    const container = z
      .string()
      .regex(/^[^/]+$/)
      .parse(request.containerId);
    if (transaction === '' || request.invocationNamespace === '') throw new Error('empty');
    if (request.lastDuration !== undefined && request.lastDuration <= 0n) complain('a last duration of 0');
    return {
      namespace: request.invocationNamespace,
      fqn,
      revision,
      container,
      warmed: request.warmed,
      lastDurationMs: request.lastDuration === undefined ? undefined : Number(request.lastDuration),
      alive: request.alive,
    };
  } catch (error) {
    complain(`${JSON.stringify(request.fqn)} ${request.rev}: ${String(error)}`);
    return undefined;
  }
}
