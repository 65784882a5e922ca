import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type openwhisk from 'openwhisk';
import { zip } from '../support/archives';
import { spawnInTest } from '../support/child';
import { clientOf, type Json } from '../support/platform';
import { until } from '../support/until';

const MAIN = join(__dirname, '../../standalone/dist/main.js');
const GUEST = /AUTH=(\S+)/;
const URL = /ready on (http:\/\/\S+?):? /;

/** `npm start` with folders of its own; the processes that it starts are known by them. */
class Start {
  readonly child: ChildProcess;
  readonly temporary: string;
  readonly ended: Promise<unknown>;
  output = '';
  errors = '';

  constructor(folder: string, ...flags: string[]) {
    this.temporary = mkdtempSync(join(folder, 't-'));
    const env = { ...process.env, TMPDIR: this.temporary };
    const args = [MAIN, '--port', '0', '--store', join(this.temporary, 'store'), ...flags];
    this.child = spawnInTest(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    this.ended = once(this.child, 'exit');
  }

  async ready(): Promise<openwhisk.Client> {
    await until(() => this.output.includes('Ctrl-C') || this.child.exitCode !== null);
    if (this.child.exitCode !== null) throw new Error(this.errors);
    return clientOf({ url: this.url, auth: this.auth });
  }

  get url(): string {
    return URL.exec(this.output)?.[1] ?? '';
  }

  get auth(): string {
    return GUEST.exec(this.output)?.[1] ?? '';
  }

  /** Processes that have this platform's folder in their command or environment. */
  async processes(): Promise<number[]> {
    const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid,args', 'eww', '--no-headers'], {
      maxBuffer: 64 * 1024 ** 2,
    });
    const lines = stdout.split('\n').filter((line) => line.includes(this.temporary) && !line.includes(' ps '));
    return lines.map((line) => Number.parseInt(line, 10));
  }

  /** What is left in its temporary folder besides the store that it was given. */
  left(): string[] {
    return readdirSync(this.temporary).filter((name) => name !== 'store');
  }

  async end(signal: NodeJS.Signals): Promise<unknown> {
    this.child.kill(signal);
    return this.ended;
  }
}

describe('npm start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tetris-e2e-'));
  const start = (...flags: string[]): Start => new Start(folder, ...flags);
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const run = async (client: openwhisk.Client): Promise<void> => {
    const action = 'function main() { return { ok: true }; }';
    await client.actions.update({ name: 'hello', action });
    await client.actions.invoke({ name: 'hello', blocking: true });
  };

  it.each(['SIGINT', 'SIGTERM'] as const)('leaves no process and no folder behind on %s', async (signal) => {
    const one = start('--invokers', '2');
    await run(await one.ready());
    expect((await one.processes()).length).toBeGreaterThanOrEqual(4);
    expect(one.left().length).toBeGreaterThan(0);
    expect(await one.end(signal)).toEqual([0, null]);
    expect(await one.processes()).toEqual([]);
    expect(one.left()).toEqual([]);
  });

  it('expected failure: leaves no process and no folder behind when it is killed', async () => {
    const one = start('--invokers', '2');
    await run(await one.ready());
    await one.end('SIGKILL');
    await until(async () => (await one.processes()).length === 0);
    await until(() => one.left().length === 0);
  });

  it('keeps actions and activations in its data folder, through a kill too', async () => {
    const data = join(folder, 'data');
    const first = start('--data', data);
    await run(await first.ready());
    await first.end('SIGTERM');
    const second = start('--data', data);
    const client = await second.ready();
    expect((await client.actions.list()).map(({ name }) => name)).toEqual(['hello']);
    expect(await client.activations.list()).toHaveLength(1);
    await client.actions.update({ name: 'late', action: 'function main() { return {}; }' });
    await second.end('SIGKILL');
    const third = start('--data', data);
    const names = (await (await third.ready()).actions.list()).map(({ name }) => name);
    expect(names.sort()).toEqual(['hello', 'late']);

    const fourth = start('--data', data);
    expect(await fourth.ended).toEqual([1, null]);
    expect(fourth.errors).toMatch(new RegExp(`${data} is in use by process ${third.child.pid}`));
    await third.end('SIGTERM');
    expect(existsSync(join(data, 'lock'))).toBe(false);
  });

  it('bad call: a port in use and bad flags are told in a line, and nothing is left', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const busy = start('--port', String(port));
    expect(await busy.ended).toEqual([1, null]);
    expect(busy.errors).toMatch(new RegExp(`port ${port} is in use; choose another with --port`));
    expect(busy.left()).toEqual([]);
    server.close();

    const bad = start('--invokers', 'many', '--memory', 'lots');
    expect(await bad.ended).toEqual([1, null]);
    expect(bad.errors).toMatch(/--invokers: .*got 'many'\n +--memory: .*got 'lots'/);
  });

  const secret = 's'.repeat(64);
  it.each([
    [['--port', '99999'], "--port: takes a whole number from 0 to 65535; got '99999'"],
    [['--port', 'http'], "--port: takes a whole number from 0 to 65535; got 'http'"],
    [['--invokers', '0'], "--invokers: takes a whole number from 1 to 64; got '0'"],
    [['--memory', '1k'], "--memory: takes a size such as 512m or 4g, at least 128m; got '1k'"],
    [['--memory', ''], "--memory: takes a value; got ''"],
    [
      ['--auth', 'foo'],
      "--auth: takes name=uuid:secret, with a name of at least 5 characters, a UUID of 36 and a secret of 64; got 'foo'",
    ],
    [['--auth', `vision=abc:${secret}`], "a secret of 64; got 'vision...'"],
    [['--models', '/nowhere/models'], "--models: takes folders that can be read; got '/nowhere/models': ENOENT"],
    [['--models', '/dev/null'], "--models: takes folders that can be read; got '/dev/null': it is no folder"],
    [['--store', '/dev/null/x'], "--store: takes a folder that can be written; got '/dev/null/x': ENOTDIR"],
    [['--data', '/dev/null/x'], "--data: takes a folder that can be written; got '/dev/null/x': ENOTDIR"],
    [['--data', '/proc/x'], "--data: takes a folder that can be written; got '/proc/x': ENOENT"],
    [['--data', ''], "--data: takes a value; got ''"],
    [['--metrics', 'me'], "--metrics: takes loopback, anyone, off; got 'me'"],
    [['--colour'], "unknown option '--colour'"],
    [['now'], 'too many arguments'],
  ])('bad call: %j names the flag, the value and what it takes', async (flags, text) => {
    const bad = start(...flags);
    expect(await bad.ended).toEqual([1, null]);
    expect(bad.errors).toContain(text);
    expect(bad.errors).not.toContain(secret);
    expect(bad.left()).toEqual([]);
  });

  it('expected failure: ends in order when nobody reads its output any more', async () => {
    const one = start();
    await run(await one.ready());
    one.child.stdout?.destroy();
    one.child.stderr?.destroy();
    expect(await one.end('SIGTERM')).toEqual([0, null]);
    expect(await one.processes()).toEqual([]);
    expect(one.left()).toEqual([]);
  });

  it('counts every component at /metrics, each node with its name', async () => {
    const one = start('--invokers', '2');
    await run(await one.ready());
    const reply = await fetch(`${one.url}/metrics`);
    expect(reply.headers.get('content-type')).toContain('version=0.0.4');
    const text = await reply.text();
    const value = (sample: string): number =>
      text.split('\n').flatMap((line) => (line.startsWith(`${sample} `) ? Number(line.split(' ').at(-1)) : []))[0] ??
      NaN;
    const activations = ['node0', 'node1'].map((node) =>
      value(`tetris_invoker_activations_total{node="${node}",status="0"}`),
    );
    expect(activations.filter((count) => count === 1)).toHaveLength(1);
    for (const node of ['node0', 'node1']) expect(value(`tetris_daemon_store_bytes{node="${node}"}`)).toBe(0);
    expect(value('tetris_balancer_invokers{flavour="tetris",usable="true"}')).toBe(2);
    // As the format asks: each metric is described once, and what follows are its samples.
    const described = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(new Set(described).size).toBe(described.length);
    await one.end('SIGTERM');

    const silent = start('--metrics', 'off');
    await silent.ready();
    expect((await fetch(`${silent.url}/metrics`)).status).toBe(404);
    await silent.end('SIGTERM');
  });

  describe('as wsk uses it', () => {
    let one: Start;
    beforeAll(async () => {
      one = start();
      await one.ready();
    });
    afterAll(() => one.end('SIGTERM'));

    /** The requests of wsk, sent by hand: there is no wsk here. */
    const wsk = async (method: string, path: string, body?: object): Promise<{ status: number; body: Json }> => {
      const reply = await fetch(`${one.url}/api/v1/namespaces/_/${path}`, {
        method,
        headers: {
          authorization: `Basic ${Buffer.from(one.auth).toString('base64')}`,
          'content-type': 'application/json',
          'user-agent': 'OpenWhisk-CLI/1.0 (2020-03-05) linux amd64',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: reply.status, body: await reply.json() };
    };

    it('creates, updates, invokes, lists and deletes', async () => {
      const code = zip([{ name: 'index.js', data: 'exports.main = ({ name }) => ({ hello: name });' }]).toString(
        'base64',
      );
      const put = { namespace: '_', name: 'classify', exec: { kind: 'nodejs:tetris', code }, limits: { memory: 512 } };
      expect((await wsk('PUT', 'actions/classify?overwrite=false', put)).body.version).toBe('0.0.1');
      const before = await wsk('GET', 'actions/classify?code=false');
      expect(before).toMatchObject({ status: 200, body: { exec: { kind: 'nodejs:tetris', binary: true } } });
      expect(before.body.exec.code).toBeUndefined();
      const update = { namespace: '_', name: 'classify', annotations: [{ key: 'tetris-slo', value: 200 }] };
      expect((await wsk('PUT', 'actions/classify?overwrite=true', update)).body).toMatchObject({
        version: '0.0.2',
        exec: { code },
      });
      expect((await wsk('PUT', 'actions/classify?overwrite=false', put)).status).toBe(409);
      const invoked = await wsk('POST', 'actions/classify?blocking=true&result=true', { name: 'wsk' });
      expect(invoked).toEqual({ status: 200, body: { hello: 'wsk' } });
      const bad = await wsk('PUT', 'actions/x?overwrite=false', { exec: { kind: 'go:default', code: '' } });
      expect(bad).toMatchObject({
        status: 400,
        body: { error: expect.stringContaining('nodejs:tetris'), code: expect.any(String) },
      });
      expect((await wsk('GET', 'actions?limit=0&skip=0')).body).toHaveLength(1);
      expect((await wsk('GET', 'activations?limit=0&skip=0')).body).toHaveLength(1);
      expect((await wsk('DELETE', 'actions/classify')).status).toBe(200);
    });

    it('does what the README says, with the requests of wsk', async () => {
      const work = join(folder, 'readme');
      mkdirSync(work);
      writeFileSync(join(work, 'hello.js'), 'function main({ name }) { return { hello: name }; }');
      const stand = join(__dirname, '../dist/support/commands/wsk.js');
      const cli = async (...args: string[]): Promise<Json> => {
        const flags = ['--apihost', one.url, '--auth', one.auth];
        const { stdout } = await promisify(execFile)(process.execPath, [stand, ...flags, ...args], { cwd: work });
        return JSON.parse(stdout);
      };
      await cli('action', 'create', 'hello', 'hello.js', '--kind', 'nodejs:tetris');
      await cli('action', 'update', 'hello', 'hello.js', '--kind', 'nodejs:tetris', '-m', '512');
      expect(await cli('action', 'invoke', 'hello', '--result', '-p', 'name', 'README')).toEqual({ hello: 'README' });
      expect(await cli('action', 'list')).toHaveLength(1);
    });
  });
});
