/** The pages of `npm start` in a real browser, by clicking. */
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModel, type BuiltModel, transformer } from '@tetris/bench';
import type { Page } from 'playwright-core';
import { accessibilityFaults } from '../support/accessibility';
import { zip } from '../support/archives';
import { type OpenPage, openPage } from '../support/browser';
import { spawnInTest } from '../support/child';
import { overflow, panelOrders } from '../support/narrow';
import { until } from '../support/until';

jest.setTimeout(240_000);

/** Of the profiling service. */
interface Job {
  state: string;
  spec: { model: { kind: string } };
}

const MAIN = join(__dirname, '../../standalone/dist/main.js');

/** `npm start` on folders that outlive it. */
class Platform {
  readonly #folder: string;
  readonly #port: string;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(folder: string, port = '0') {
    this.#folder = folder;
    this.#port = port;
  }

  async start(): Promise<string> {
    this.#output = '';
    const folders = ['--data', join(this.#folder, 'data'), '--models', this.#folder];
    const env = { ...process.env, TMPDIR: this.#folder, TETRIS_DAEMON_TENSOR_BYTES_MIN: '1024' };
    const child = spawnInTest(process.execPath, [MAIN, '--port', this.#port, ...folders], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    await until(() => this.#output.includes('Ctrl-C'), 'the platform is ready');
    return /ready on (http:\/\/[^: ]+:\d+)/.exec(this.#output)?.[1] ?? '';
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

describe('the pages of npm start', () => {
  let folder: string;
  let platform: Platform;
  let url: string;
  let model: BuiltModel;
  let open: OpenPage;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tetris-pages-'));
    model = await buildModel(transformer('tiny', { layers: 2, hidden: 128, heads: 4, sequence: 16 }), folder);
    platform = new Platform(folder);
    url = await platform.start();
    open = await openPage(url);
  });
  afterAll(async () => {
    await open?.close();
    await platform?.end('SIGTERM');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** On the same folders and port; it ends with the test that calls. */
  const startAgain = async (): Promise<void> => {
    platform = new Platform(folder, new URL(url).port);
    expect(await platform.start()).toBe(url);
  };

  const create = async (page: Page, name: string): Promise<void> => {
    const form = page.getByRole('form', { name: 'Create an action' });
    await form.getByLabel('Name').fill(name);
    await form.getByLabel(/^Model/).setInputFiles(model.path);
    await form.locator('button.primary').click();
    await form.getByText(`${name} is created.`).waitFor();
  };

  const invoke = async (page: Page, name: string, times: number): Promise<void> => {
    const form = page.getByRole('form', { name: 'Invoke an action' });
    await form.getByLabel('Action').selectOption(name);
    await form.getByLabel('At once').fill(String(times));
    await form.locator('button.primary').click();
    await page.locator('#invoke [data-outcome=success]').waitFor({ timeout: 60_000 });
  };

  it('creates actions with a model, invokes them, and shows memory that they share', async () => {
    const { page, errors } = open;
    await create(page, 'first');
    await create(page, 'second');
    await invoke(page, 'first', 3);
    await invoke(page, 'second', 1);
    expect(await page.locator('#invoke .result').textContent()).toContain('logits');
    const row = page.getByRole('group', { name: 'Functions' }).locator('tr', { hasText: 'first' });
    await row.getByText(/model\.onnx · .* of tensors/).waitFor();
    await row.getByText(/warm|paused/).waitFor();
    const saved = page.locator('#memory [data-figure=savedBytes]');
    await until(async () => (await saved.textContent()) !== '0 MiB', 'something is saved');
    // Both have the same model.
    await page.locator('#overlap').getByText('100 % of', { exact: false }).first().waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(errors).toEqual([]);
  });

  it('shows what the metrics say, at the same moment', async () => {
    const { page } = open;
    await until(async () => (await figuresOf(page)) === (await metricsOf(url)), 'page and metrics agree');
  });

  it("shows an activation's input, answer, logs, and where its time went", async () => {
    const { page } = open;
    const form = page.getByRole('form', { name: 'Create an action' });
    await page.reload();
    await form.getByLabel('Name').fill('hello');
    await form.locator('button.primary').click();
    await form.getByText('hello is created.').waitFor();
    const invocation = page.getByRole('form', { name: 'Invoke an action' });
    await invocation.getByLabel('Action').selectOption('hello');
    await invocation.getByLabel(/^Input/).fill('{"name": "Ada"}');
    await invocation.locator('button.primary').click();
    await page.locator('#invoke').getByText('Hello, Ada!').waitFor({ timeout: 60_000 });
    await page.locator('#activations button', { hasText: 'hello' }).first().click();
    const details = page.locator('#activations .activation-details');
    await details.getByText('called with Ada').waitFor();
    expect(await details.textContent()).toMatch(/Input.*"Ada".*Answer.*Hello, Ada!.*Logs.*called with Ada/s);
    expect(await details.getByRole('img').getAttribute('aria-label')).toMatch(/init \d/);
  });

  it('shows all of itself on 390 pixels, and the keyboard goes as the eye does', async () => {
    const { page } = open;
    await page.setViewportSize({ width: 390, height: 800 });
    const { tabbed, seen } = await panelOrders(page);
    expect(tabbed).toEqual(['functions', 'invoke', 'create', 'overlap', 'activations']);
    expect(tabbed).toEqual(seen);
    expect(await overflow(page)).toBe(0);
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it('bad call: says what is wrong with an input and with a model that is too large', async () => {
    const { page } = open;
    const form = page.getByRole('form', { name: 'Invoke an action' });
    await form.getByLabel(/^Input/).fill('{name: 1}');
    await form.locator('button.primary').click();
    await form.getByText(/The input is no JSON/).waitFor();
    const large = join(folder, 'large.onnx');
    writeFileSync(large, Buffer.alloc(37 * 1024 ** 2));
    const creation = page.getByRole('form', { name: 'Create an action' });
    await creation.getByLabel(/^Model/).setInputFiles(large);
    await creation.locator('button.primary').click();
    await creation
      .getByText(/--models FOLDER/)
      .last()
      .waitFor();
    expect(await creation.getByRole('status').textContent()).toMatch(/48 MB of base64 text/);
  });

  it('bad call: another site reads and starts nothing', async () => {
    const headers = { origin: 'http://elsewhere.example', 'content-type': 'application/json' };
    const post = await fetch(`${url}/tetris/profile/jobs`, { method: 'POST', headers, body: '{}' });
    expect(post.status).toBe(400);
    const events = await fetch(`${url}/tetris/models`, { headers });
    expect(events.headers.get('access-control-allow-origin')).toBeNull();
    await events.body?.cancel();
  });

  it('profiles an uploaded model, goes on after a kill in the middle, answers the second time from the archive, and compares machines', async () => {
    const { page } = open;
    await page.goto(`${url}/tetris/profile`);
    const submit = async (): Promise<void> => {
      const form = page.getByRole('form', { name: 'Profile a model' });
      await form.getByLabel(/^ONNX file/).setInputFiles(model.path);
      const fields = { 'Objective, ms': '2000', Batches: '1,2,4', Workers: '1', Threads: '1', Rounds: '5' };
      for (const [name, text] of Object.entries(fields)) await form.getByLabel(name).fill(text);
      await form.getByLabel(/^Cores/).fill('1');
      await form.locator('button.primary').click();
    };
    await submit();
    const running = page.locator('[data-job=running]');
    await running.getByText(/[1-9]\d* of \d+: /).waitFor({ timeout: 120_000 });
    await platform.end('SIGKILL');
    await startAgain();
    // Nobody has asked for it again, nor opened the page anew.
    await page.locator('[data-job=done]').waitFor({ timeout: 120_000 });
    await page.getByRole('button', { name: 'Report' }).click();
    await page.locator('[data-verdict]', { hasText: 'Within 2000 ms' }).waitFor();
    expect(await page.getByRole('group', { name: 'All configurations' }).locator('tbody tr').count()).toBe(9);

    await submit();
    await page.getByText('known from the archive').waitFor({ timeout: 30_000 });

    // Beside the results of another machine, with the line to copy.
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Export JSON' }).click();
    const path = join(folder, 'export.json');
    await (await download).saveAs(path);
    const exported = JSON.parse(readFileSync(path, 'utf8')) as { profiles: { machine: { cpu: string } }[] };
    for (const profile of exported.profiles) profile.machine.cpu = 'Neoverse-N1';
    writeFileSync(path, JSON.stringify(exported));
    await page.getByLabel('Results of another machine, as JSON').setInputFiles(path);
    await page.getByText('rows of Neoverse-N1 came.').waitFor();
    await page.getByText('2: Neoverse-N1').or(page.getByText('1: Neoverse-N1')).first().waitFor();
    const rows = page.getByRole('group', { name: 'All configurations' }).locator('tbody tr');
    await until(async () => (await rows.count()) === 18, 'the rows of both machines stand side by side');
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(await page.locator('[data-wsk]').first().textContent()).toMatch(
      /^wsk action update tiny tiny\.zip --kind nodejs:tetris -m \d+ -a tetris-slo 2000/,
    );
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await overflow(page)).toBe(0);
    await page.setViewportSize({ width: 1280, height: 800 });
    writeFileSync(path, '{"profiles": []}');
    await page.getByLabel('Results of another machine, as JSON').setInputFiles(path);
    await page.getByText(/this is no export of profiles/).waitFor();
  });

  it("profiles the one that is chosen of the models in an action's archive", async () => {
    const { page } = open;
    await startAgain();
    // The page was open all the while.
    await page.locator('.live.live').waitFor();
    const data = readFileSync(model.path);
    const code = zip([
      { name: 'index.js', data: 'exports.main = () => ({});' },
      { name: 'one.onnx', data },
      { name: 'other.onnx', data },
    ]);
    const exec = { kind: 'nodejs:tetris', code: code.toString('base64'), binary: true };
    const html = await (await fetch(url, { headers: { accept: 'text/html' } })).text();
    const { auth } = JSON.parse(/id="settings">(.*?)</.exec(html)?.[1] ?? '') as { auth: string };
    const authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
    const headers = { authorization, 'content-type': 'application/json' };
    const address = `${url}/api/v1/namespaces/_/actions/both`;
    expect((await fetch(address, { method: 'PUT', headers, body: JSON.stringify({ exec }) })).status).toBe(200);
    const form = page.getByRole('form', { name: 'Profile a model' });
    await form.getByText('of an action').click();
    await form.getByLabel(/^Name of an action/).fill('nobody');
    await form.getByLabel(/^Name of an action/).blur();
    await form.getByText(/action nobody: /).waitFor();
    await form.getByLabel(/^Name of an action/).fill('both');
    await form.locator('button.primary').click();
    await form.getByText('both has several models: choose one.').waitFor();
    await form.getByLabel(/^Model in its archive/).selectOption('other.onnx');
    await form.locator('button.primary').click();
    const latest = async (): Promise<Job | undefined> =>
      ((await (await fetch(`${url}/tetris/profile/jobs`)).json()) as Job[])[0];
    const asked = { kind: 'action', action: 'both', file: 'other.onnx' };
    await until(async () => (await latest())?.spec.model.kind === 'action', 'it is asked for');
    await until(async () => (await latest())?.state === 'done', 'it is done: the model is that of before');
    expect(await latest()).toMatchObject({ spec: { model: asked }, measured: 0 });
  });
});

/** Bytes used, kept with leased, and unshared, as the page's state has them. */
async function figuresOf(page: Page): Promise<string> {
  const [used, unshared] = await Promise.all(
    ['.headline div:nth-child(1) b', '.headline div:nth-child(2) b'].map((each) =>
      page.locator(`#memory ${each}`).getAttribute('data-bytes'),
    ),
  );
  return `${used} ${unshared}`;
}

async function metricsOf(url: string): Promise<string> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const sum = (pattern: RegExp): number =>
    [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  const own = sum(/^tetris_invoker_memory_bytes\{[^}]*kind="(?:private|aside)"[^}]*\} (\S+)$/gm);
  const leased = sum(/^tetris_invoker_memory_bytes\{[^}]*kind="(?:tensors|foreign)"[^}]*\} (\S+)$/gm);
  const unshared = sum(/^tetris_daemon_unshared_bytes(?:\{[^}]*\})? (\S+)$/gm);
  return `${own + leased} ${unshared + own}`;
}
