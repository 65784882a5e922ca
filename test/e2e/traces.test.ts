/** One activation's way, as a collector of OpenTelemetry hears it from every component. */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildModel, perceptron } from '@tetris/bench';
import { endProcess, SPANS } from '@tetris/common';
import { spawnInTest } from '../support/child';
import { LoopbackServer } from '../support/loopback-server';
import { type ActivationRecord, clientOf } from '../support/platform';
import { until } from '../support/until';

/** As OTLP's JSON has it. */
interface Told {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code?: number; message?: string };
  attributes: { key: string; value: { stringValue?: string; intValue?: number; boolValue?: boolean } }[];
}

interface Export {
  resourceSpans: {
    resource: { attributes: Told['attributes'] };
    scopeSpans: { spans: Told[] }[];
  }[];
}

const ACTION = `
const ort = require('onnxruntime-node');
exports.main = async ({ path, fails }) => {
  if (fails) throw new Error('as asked');
  const session = await ort.InferenceSession.create(path);
  const { logits } = await session.run({ features: new ort.Tensor('float32', new Float32Array(8), [1, 8]) });
  return { outputs: logits.data.length };
};`;

const MAIN = join(dirname(require.resolve('@tetris/standalone')), 'main.js');

let folder: string;
let collector: LoopbackServer;
/** Its process: OpenTelemetry's exporter does not load inside of jest. */
let platform: ChildProcess;
let access: { url: string; auth: string };
let model: string;
/** By the component that told it. */
const told: (Told & { service: string })[] = [];

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  return text;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tetris-traces-'));
  model = (await buildModel(perceptron('model', { inputs: 8, labels: 3 }), join(folder, 'models'))).path;
  collector = new LoopbackServer((request, reply) => {
    void bodyOf(request).then((text) => {
      for (const { resource, scopeSpans } of (JSON.parse(text) as Export).resourceSpans) {
        const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
        told.push(...scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service }))));
      }
      reply.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  const url = `${await collector.open()}/v1/traces`;
  const env = Object.fromEntries(
    ['BALANCER', 'INVOKER', 'DAEMON'].flatMap((component) => [
      [`TETRIS_${component}_OTLP_URL`, url],
      [`TETRIS_${component}_TRACE_EXPORT_MS`, '50'],
    ]),
  );
  const args = [MAIN, '--port', '0', '--models', dirname(model)];
  platform = spawnInTest(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  access = await accessOf(platform);
});
afterAll(async () => {
  await endProcess(platform, 'SIGTERM');
  await collector.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Address and key, as it prints them. */
async function accessOf({ stdout }: ChildProcess): Promise<{ url: string; auth: string }> {
  let text = '';
  for await (const chunk of stdout ?? []) {
    text += String(chunk);
    const url = /ready on (http:\S+?):? /.exec(text)?.[1];
    const auth = /AUTH=(\S+)/.exec(text)?.[1];
    if (url !== undefined && auth !== undefined) return { url, auth };
  }
  throw new Error(`the platform ended: ${text}`);
}

async function spansOf(params: Record<string, unknown>, count: number): Promise<(Told & { service: string })[]> {
  const client = clientOf(access);
  await client.actions.update({ name: 'traced', action: ACTION, kind: 'nodejs:tetris' });
  const invoked = client.actions.invoke({ name: 'traced', blocking: true, params });
  const { activationId } = (await invoked.catch((error: { error: unknown }) => error.error)) as ActivationRecord;
  const own = () => told.filter(({ traceId }) => traceId === activationId);
  await until(() => own().length >= count, `${count} spans of ${activationId}`);
  return own();
}

describe('the trace of an activation', () => {
  it('has the part of every component, each inside of the one that caused it', async () => {
    const spans = await spansOf({ path: model }, 7);
    const byName = new Map(spans.map((span) => [span.name, span]));
    expect([...byName.keys()].sort()).toEqual([...Object.keys(SPANS), 'daemon lease'].sort());
    expect(new Set(spans.map(({ service }) => service))).toEqual(
      new Set(['tetris-balancer', 'tetris-invoker', 'tetris-daemon']),
    );
    const chain: string[] = [];
    for (let span = byName.get('daemon lease'); span !== undefined;) {
      chain.unshift(span.name);
      const { parentSpanId = '' } = span;
      span = spans.find(({ spanId }) => spanId === parentSpanId);
    }
    expect(chain).toEqual(['controller', 'load balancer', 'invoker', 'runtime run', 'daemon lease']);
    const transids = spans.flatMap(({ attributes }) =>
      attributes.filter(({ key }) => key === 'openwhisk.transid').map(({ value }) => value.stringValue),
    );
    expect(transids).toHaveLength(Object.keys(SPANS).length);
    expect(new Set(transids).size).toBe(1);
    for (const { startTimeUnixNano, endTimeUnixNano } of spans) {
      expect(BigInt(endTimeUnixNano) >= BigInt(startTimeUnixNano)).toBe(true);
    }
  });

  it('says which part failed', async () => {
    const spans = await spansOf({ path: model, fails: true }, 6);
    const failed = spans.filter(({ status }) => status.code === 2).map(({ name, status }) => [name, status.message]);
    expect(failed).toEqual([['runtime run', 'status 1']]);
  });
});
