/**
 * An API server for Helm and kubectl as their users call them: it says which kinds there are, lists objects and lets them
 * be patched. Nothing is checked and nothing runs; what a real one takes is for the schemas and for `test/kubernetes` to
 * say.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { LoopbackServer } from '../loopback-server';
import type { KubernetesObject } from './charts';

/** Kinds with namespaces by group, and those without. */
const NAMESPACED: Readonly<Record<string, readonly string[]>> = {
  '': ['Pod', 'ConfigMap', 'Service', 'ServiceAccount'],
  apps: ['DaemonSet', 'Deployment', 'StatefulSet'],
  'rbac.authorization.k8s.io': ['Role', 'RoleBinding'],
  'networking.k8s.io': ['NetworkPolicy'],
  'coordination.k8s.io': ['Lease'],
};
const OF_CLUSTER: Readonly<Record<string, readonly string[]>> = {
  '': ['Namespace'],
  'rbac.authorization.k8s.io': ['ClusterRole', 'ClusterRoleBinding'],
  'admissionregistration.k8s.io': ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'],
};
const GROUPS = [...new Set([...Object.keys(NAMESPACED), ...Object.keys(OF_CLUSTER)])];
const VERSION = 'v1';
const DISCOVERY = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

const plural = (kind: string): string => kind.toLowerCase().replace(/y$/, 'ie') + 's';
const kindsOf = (group: string): string[] => [...(NAMESPACED[group] ?? []), ...(OF_CLUSTER[group] ?? [])];
const rootOf = (group: string): string => (group === '' ? `api/${VERSION}` : `apis/${group}/${VERSION}`);

const NOT_FOUND = { apiVersion: VERSION, kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404 };

type Reply = { status: number; body: unknown; type?: string };

export class ObjectServer {
  /** By their paths, such as `/api/v1/namespaces/openwhisk`. */
  readonly objects = new Map<string, KubernetesObject>();
  readonly #server = new LoopbackServer((request, reply) => void this.#answer(request, reply));
  #version = 0;

  /** @returns its URL */
  start(): Promise<string> {
    return this.#server.open();
  }

  stop(): Promise<void> {
    return this.#server.close();
  }

  put(path: string, object: KubernetesObject): KubernetesObject {
    const metadata = { ...object.metadata, resourceVersion: String((this.#version += 1)) };
    this.objects.set(path, { ...object, metadata });
    return { ...object, metadata };
  }

  async #answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://server');
    const body = await text(request);
    const {
      status,
      body: answer,
      type = 'application/json',
    } = described(pathname) ?? this.#stored(request.method ?? 'GET', pathname, searchParams, body);
    reply.writeHead(status, { 'content-type': type }).end(JSON.stringify(answer));
  }

  #stored(method: string, path: string, query: URLSearchParams, body: string): Reply {
    const present = this.objects.get(path);
    if (method === 'PATCH') return { status: 200, body: this.put(path, merged(present, JSON.parse(body))) };
    const kind = GROUPS.flatMap(kindsOf).find((each) => path.endsWith(`/${plural(each)}`));
    if (method === 'GET' && kind !== undefined) return { status: 200, body: this.#list(path, kind, query) };
    return present === undefined ? { status: 404, body: NOT_FOUND } : { status: 200, body: present };
  }

  #list(path: string, kind: string, query: URLSearchParams): object {
    const labels = (query.get('labelSelector') ?? '').split(',').filter((each) => each !== '');
    const fits = ({ metadata }: KubernetesObject): boolean =>
      labels.map((each) => each.split('=')).every(([name = '', value]) => metadata.labels?.[name] === value);
    const items = [...this.objects].filter(([each, object]) => each.startsWith(`${path}/`) && fits(object));
    const apiVersion = path.startsWith('/apis/') ? path.split('/').slice(2, 4).join('/') : VERSION;
    return { apiVersion, kind: `${kind}List`, metadata: {}, items: items.map(([, object]) => object) };
  }
}

/** What clients ask before they send anything. */
function described(path: string): Reply | undefined {
  const found = (body: object, type?: string): Reply => ({
    status: 200,
    body,
    ...(type === undefined ? {} : { type }),
  });
  if (path === '/version') return found({ major: '1', minor: '34', gitVersion: 'v1.34.2' });
  if (path === '/api') return found(discovery(['']), DISCOVERY);
  if (path === '/apis') return found(discovery(GROUPS.filter((group) => group !== '')), DISCOVERY);
  const roots = GROUPS.map((group) => [rootOf(group), { serverRelativeURL: `/openapi/v3/${rootOf(group)}` }]);
  if (path === '/openapi/v3') return found({ paths: Object.fromEntries(roots) as object });
  const group = GROUPS.find((each) => path === `/openapi/v3/${rootOf(each)}`);
  return group === undefined ? undefined : found(openApi(group));
}

function discovery(groups: readonly string[]): object {
  const verbs = ['get', 'list', 'patch'];
  const items = groups.map((group) => ({
    metadata: { name: group },
    versions: [
      {
        version: VERSION,
        resources: kindsOf(group).map((kind) => ({
          resource: plural(kind),
          responseKind: { group, version: VERSION, kind },
          scope: NAMESPACED[group]?.includes(kind) === true ? 'Namespaced' : 'Cluster',
          verbs,
        })),
      },
    ],
  }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
}

/** As much as tells clients that they need not check fields themselves. */
function openApi(group: string): object {
  const parameters = [{ name: 'fieldValidation', in: 'query' }];
  const paths = kindsOf(group).map((kind) => [
    `/${kind}`,
    { patch: { 'x-kubernetes-group-version-kind': { group, version: VERSION, kind }, parameters } },
  ]);
  return { openapi: '3.0.0', info: { title: group, version: VERSION }, paths: Object.fromEntries(paths) as object };
}

/** JSON merge patch. */
function merged(before: unknown, patch: unknown): KubernetesObject {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch as KubernetesObject;
  const result: Record<string, unknown> = { ...(before as object | undefined) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result as KubernetesObject;
}
