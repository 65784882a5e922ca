import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Platform, startPlatform } from '@tetris/standalone';
import type openwhisk from 'openwhisk';
import { zip } from '../support/archives';
import { clientOf, type Json, rejection } from '../support/platform';
import { until } from '../support/until';

const ECHO = 'function main(args) { console.log("hello from main"); console.error("and stderr"); return args; }';

describe('the npm client openwhisk on a standalone platform', () => {
  let platform: Platform;
  let client: openwhisk.Client;
  const folder = mkdtempSync(join(tmpdir(), 'tetris-e2e-'));

  beforeAll(async () => {
    platform = await startPlatform({ storePath: join(folder, 'store'), invokers: 1 });
    client = clientOf(platform);
  });
  afterAll(async () => {
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const invoke = (name: string, params: object = {}): Promise<Json> =>
    client.actions.invoke({ name, params, blocking: true });

  it('creates, gets, lists, updates and deletes an action', async () => {
    const created = await client.actions.create({ name: 'crud', action: ECHO, annotations: { a: 1 } });
    expect(created).toMatchObject({ namespace: 'guest', name: 'crud', version: '0.0.1', exec: { kind: 'nodejs:20' } });
    expect(await client.actions.get({ name: 'crud' })).toMatchObject({ exec: { code: ECHO, binary: false } });
    const updated = await client.actions.update({ name: 'crud', action: `${ECHO}//2` });
    expect(updated).toMatchObject({ version: '0.0.2' });
    expect(updated.annotations).toContainEqual({ key: 'a', value: 1 });
    expect((await client.actions.list()).map(({ name }) => name)).toContain('crud');
    await client.actions.delete({ name: 'crud' });
    expect((await rejection(client.actions.get({ name: 'crud' }))).status).toBe(404);
    expect(await client.namespaces.list()).toEqual(['guest']);
  });

  it('invokes and waits, with the result alone or the whole record', async () => {
    await client.actions.update({ name: 'echo', action: ECHO, params: { fixed: 1 } });
    expect(await invoke('echo', { a: 2 })).toMatchObject({ response: { success: true, result: { a: 2 } } });
    expect(await client.actions.invoke({ name: 'echo', params: { a: 3 }, blocking: true, result: true })).toMatchObject(
      { a: 3 },
    );
  });

  it('invokes without waiting, and reads record, result and logs later', async () => {
    await client.actions.update({ name: 'later', action: ECHO });
    const { activationId }: Json = await client.actions.invoke({ name: 'later', params: { b: 1 } });
    await until(() =>
      client.activations.get({ name: activationId }).then(
        () => true,
        () => false,
      ),
    );
    expect(await client.activations.result({ name: activationId })).toMatchObject({
      success: true,
      result: { b: 1 },
    });
    const { logs } = (await client.activations.logs({ name: activationId })) as { logs: string[] };
    expect(logs).toEqual([
      expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z +stdout: hello from main$/),
      expect.stringMatching(/stderr: and stderr$/),
    ]);
    const listed = (await client.activations.list({ name: 'later' })) as { activationId: string }[];
    expect(listed[0]).toMatchObject({ activationId, name: 'later', statusCode: 0 });
  });

  it('runs zip archives with an entry point of their own, on either kind', async () => {
    const action = zip([
      { name: 'package.json', data: '{"main": "lib/entry.js"}' },
      { name: 'lib/entry.js', data: 'exports.hi = ({ name }) => ({ greeting: `${require("./text")} ${name}` });' },
      { name: 'lib/text.js', data: 'module.exports = "hello";' },
    ]);
    for (const kind of ['nodejs:20', 'nodejs:tetris']) {
      const body = { exec: { kind, code: action.toString('base64'), main: 'hi' } };
      await client.actions.update({ name: 'zipped', action: body });
      expect(await invoke('zipped', { name: kind })).toMatchObject({
        response: { result: { greeting: `hello ${kind}` } },
      });
    }
    expect(await client.actions.get({ name: 'zipped' })).toMatchObject({ exec: { binary: true, main: 'hi' } });
  });

  it('runs many activations at once in one instance where the action allows it', async () => {
    const action = `const pause = (ms) => new Promise((r) => setTimeout(r, ms));
      exports.main = async ({ n }) => { console.log('run ' + n); await pause(200); return { n, pid: process.pid }; };`;
    await client.actions.update({ name: 'many', action, kind: 'nodejs:20', limits: { concurrency: 20 } });
    await invoke('many', { n: -1 });
    const records = await Promise.all(Array.from({ length: 20 }, (_, n) => invoke('many', { n })));
    expect(records.map(({ response }) => response.result.n)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(new Set(records.map(({ response }) => response.result.pid)).size).toBe(1);
    const record = records[7];
    await until(() =>
      client.activations.get({ name: record.activationId }).then(
        () => true,
        () => false,
      ),
    );
    const { logs } = (await client.activations.logs({ name: record.activationId })) as { logs: string[] };
    expect(logs.map((line) => line.replace(/^\S+ +/, ''))).toEqual(['stdout: run 7']);
  });

  it('lets an action call the platform back with the key it asked for', async () => {
    const action = `const openwhisk = require('openwhisk');
      exports.main = async () => ({ result: await openwhisk().actions.invoke({ name: 'echo', params: { c: 9 }, blocking: true, result: true }) });`;
    await client.actions.update({ name: 'echo', action: ECHO });
    await client.actions.update({ name: 'caller', action, annotations: { 'provide-api-key': true } });
    expect(await invoke('caller')).toMatchObject({ response: { result: { result: { c: 9 } } } });
  });

  describe('errors', () => {
    const failing = async (name: string, action: string, limits = {}): Promise<{ status: number; error: Json }> => {
      await client.actions.update({ name, action, limits });
      return rejection(invoke(name));
    };

    it('bad call: a kind that there is not, with the kinds that there are', async () => {
      const { status, error } = await rejection(client.actions.create({ name: 'bad', action: ECHO, kind: 'nodejs:6' }));
      expect(status).toBe(400);
      expect(error.error).toMatch(/nodejs:6.*'nodejs:20', 'nodejs:tetris'/);
    });

    it('bad call: an unknown action, a name that is taken, a wrong key, an action that is too large', async () => {
      expect((await rejection(invoke('nowhere'))).status).toBe(404);
      await client.actions.update({ name: 'echo', action: ECHO });
      expect((await rejection(client.actions.create({ name: 'echo', action: ECHO }))).status).toBe(409);
      const stranger = clientOf({ url: platform.url, auth: `${platform.auth.slice(0, -1)}x` });
      expect((await rejection(stranger.actions.list())).status).toBe(401);
      const large = 'x'.repeat(49 * 1024 ** 2);
      expect((await rejection(client.actions.create({ name: 'large', action: large }))).status).toBe(413);
      expect((await rejection(invoke('echo', { a: 'x'.repeat(1024 ** 2) }))).status).toBe(413);
    });

    it('expected failure: code without main, with a syntax error, or an archive that is none: 502 with the reason', async () => {
      const missing = await failing('missing', 'exports.other = () => ({});');
      expect(missing).toMatchObject({
        status: 502,
        error: { response: { status: 'action developer error', success: false } },
      });
      expect(JSON.stringify(missing.error.response.result)).toMatch(/Initialization has failed.*main/);
      const syntax = await failing('syntax', 'function main( {');
      expect(JSON.stringify(syntax.error.response.result)).toMatch(/SyntaxError/);
      const archive = await failing('archive', Buffer.from('PK\u0003\u0004 no zip at all!!').toString('base64'));
      expect(archive).toMatchObject({ status: 502, error: { response: { status: 'action developer error' } } });
    });

    it('expected failure: an action that throws, rejects, or says that it failed: 502', async () => {
      const thrown = await failing('throws', 'function main() { throw new Error("sync trouble"); }');
      expect(thrown).toMatchObject({ status: 502, error: { response: { status: 'action developer error' } } });
      expect(JSON.stringify(thrown.error.response.result)).toMatch(/sync trouble/);
      const rejected = await failing('rejects', 'async function main() { throw new Error("async trouble"); }');
      expect(rejected).toMatchObject({ status: 502, error: { response: { status: 'application error' } } });
      expect(rejected.error.response.result.error).toMatchObject({ message: 'async trouble' });
      const said = await failing('says', 'function main() { return { error: "no luck" }; }');
      expect(said).toMatchObject({
        status: 502,
        error: { response: { status: 'application error', result: { error: 'no luck' } } },
      });
    });

    it('expected failure: an action that takes longer than its limit', async () => {
      const slow = await failing('slow', 'function main() { return new Promise(() => {}); }', { timeout: 500 });
      expect(slow).toMatchObject({ status: 502, error: { response: { status: 'action developer error' } } });
      expect(JSON.stringify(slow.error.response.result)).toMatch(/time limits? of 500/);
    });

    it('expected failure: an action that ends its own process; the next activation runs', async () => {
      const gone = await failing(
        'exits',
        'function main({ die = true }) { if (die) process.exit(3); return { alive: true }; }',
      );
      expect(gone).toMatchObject({ status: 502, error: { response: { status: 'action developer error' } } });
      expect(await invoke('exits', { die: false })).toMatchObject({ response: { result: { alive: true } } });
    });
  });

  it('ends with balanced books and without a violation', async () => {
    await until(() => platform.books().inFlight === 0);
    expect(platform.books().invokers.map(({ outstanding }) => outstanding)).toEqual([0]);
    expect(platform.violations).toEqual([]);
    expect(readdirSync(join(folder, 'store'))).toEqual(['node0']);
  });
});
