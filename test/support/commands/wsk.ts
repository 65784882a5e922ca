/**
 * A stand-in for the `wsk` command where no binary of it can be had: it sends exactly the requests that the real one
 * sends (apache/openwhisk-cli, as described in its commands' source), for the commands our documentation uses.
 *
 * Not the real thing: it proves our REST surface, not `wsk` itself.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    apihost: { type: 'string' },
    auth: { type: 'string' },
    kind: { type: 'string' },
    main: { type: 'string' },
    sequence: { type: 'string' },
    web: { type: 'string' },
    annotation: { type: 'string', short: 'a', multiple: true },
    param: { type: 'string', short: 'p', multiple: true },
    'param-file': { type: 'string', short: 'P' },
    memory: { type: 'string', short: 'm' },
    timeout: { type: 'string', short: 't' },
    concurrency: { type: 'string', short: 'c' },
    blocking: { type: 'boolean', short: 'b' },
    result: { type: 'boolean', short: 'r' },
  },
});

/** Where the real one keeps its properties, and in which form. */
const PROPERTIES = process.env['WSK_CONFIG_FILE'] ?? join(homedir(), '.wskprops');

function property(name: 'APIHOST' | 'AUTH', given: string | undefined): string {
  const kept = existsSync(PROPERTIES) ? readFileSync(PROPERTIES, 'utf8') : '';
  return given ?? new RegExp(`^${name}=(.*)$`, 'm').exec(kept)?.[1] ?? '';
}

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }> {
  const auth = Buffer.from(property('AUTH', values.auth)).toString('base64');
  const reply = await fetch(`${property('APIHOST', values.apihost)}/api/v1${path}`, {
    method,
    headers: { authorization: `Basic ${auth}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: reply.status, json: await reply.json() };
}

/** `-a key value` arrives as the key; the value is the next positional, in order. */
function pairs(names: readonly string[] | undefined, rest: string[]): { key: string; value: unknown }[] {
  return (names ?? []).map((key) => {
    const text = rest.shift() ?? '';
    try {
      return { key, value: JSON.parse(text) as unknown };
    } catch {
      return { key, value: text };
    }
  });
}

const WEB = ['web-export', 'raw-http', 'final'].map((key) => ({ key, value: key !== 'raw-http' }));

function actionBody(file: string | undefined, rest: string[]): Record<string, unknown> {
  const limits = {
    ...(values.memory === undefined ? {} : { memory: Number(values.memory) }),
    ...(values.timeout === undefined ? {} : { timeout: Number(values.timeout) }),
    ...(values.concurrency === undefined ? {} : { concurrency: Number(values.concurrency) }),
  };
  const annotations = pairs(values.annotation, rest);
  if (values.web === 'true') annotations.push(...WEB);
  const binary = file !== undefined && ['.zip', '.jar'].includes(extname(file));
  return {
    namespace: '_',
    ...(values.sequence === undefined
      ? {}
      : { exec: { kind: 'sequence', components: values.sequence.split(',').map((name) => `/_/${name}`) } }),
    ...(file === undefined
      ? {}
      : {
          exec: {
            kind: values.kind ?? 'nodejs:default',
            code: readFileSync(file).toString(binary ? 'base64' : 'utf8'),
            ...(values.main === undefined ? {} : { main: values.main }),
          },
        }),
    ...(annotations.length === 0 ? {} : { annotations }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

async function run(): Promise<{ status: number; json: unknown }> {
  const [noun, verb, name = '', ...rest] = positionals;
  switch (`${noun} ${verb}`) {
    case 'property set': {
      const [host, auth] = [property('APIHOST', values.apihost), property('AUTH', values.auth)];
      writeFileSync(PROPERTIES, `APIHOST=${host}\nAUTH=${auth}\n`);
      return { status: 200, json: 'ok: whisk auth and API host set' };
    }
    case 'action create':
    case 'action update': {
      if (verb === 'update') await call('GET', `/namespaces/_/actions/${name}?code=false`);
      const file = rest.shift();
      return call('PUT', `/namespaces/_/actions/${name}?overwrite=${verb === 'update'}`, actionBody(file, rest));
    }
    case 'action invoke': {
      const file = values['param-file'];
      const parameters = pairs(values.param, rest).map(({ key, value }) => [key, value]);
      const content = file === undefined ? {} : (JSON.parse(readFileSync(file, 'utf8')) as object);
      const blocking = values.blocking === true || values.result === true;
      const query = `blocking=${blocking}&result=${values.result === true}`;
      return call('POST', `/namespaces/_/actions/${name}?${query}`, { ...content, ...Object.fromEntries(parameters) });
    }
    case 'action get':
      return call('GET', `/namespaces/_/actions/${name}`);
    case 'action delete':
      return call('DELETE', `/namespaces/_/actions/${name}`);
    case 'action list':
      return call('GET', '/namespaces/_/actions?limit=0&skip=0');
    case 'activation list':
      return call('GET', '/namespaces/_/activations?limit=0&skip=0');
    case 'activation get':
      return call('GET', `/namespaces/_/activations/${name}`);
    case 'activation logs':
      return call('GET', `/namespaces/_/activations/${name}/logs`);
    case 'activation result':
      return call('GET', `/namespaces/_/activations/${name}/result`);
    default:
      throw new Error(`this stand-in has no '${noun} ${verb}'`);
  }
}

void run().then(({ status, json }) => {
  process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  // The exit code is the HTTP status less 256.
  process.exitCode = status < 400 ? 0 : status - 256;
});
