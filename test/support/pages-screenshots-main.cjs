'use strict';
/*
 * `npm run pages:screenshots -- [--out DIR] [--only WORD]`: every page in its states, at three widths and in both themes,
 * to be looked at. Real platform, real profiling service; of the operators' page the cluster is made up.
 */
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { parseArgs } = require('node:util');
const { chromium } = require('playwright-core');
const { buildModel, transformer } = require('@tetris/bench');
const { MadeUpCluster } = require('./made-up-cluster.cjs');

const WIDTHS = [390, 768, 1280];
const THEMES = ['light', 'dark'];

const { values: flags } = parseArgs({
  options: { out: { type: 'string', default: join(tmpdir(), 'tetris-pages') }, only: { type: 'string', default: '' } },
});

/** Takes a page as it is now, in every width and theme. */
async function take(page, name) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.evaluate('scrollTo(0, 0)');
      await page.waitForTimeout(150);
      await page.screenshot({ path: join(flags.out, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  process.stdout.write(`${join(flags.out, name)}\n`);
}

/** `npm start` on folders of its own. */
async function startPlatform(folder) {
  const main = join(__dirname, '../../standalone/dist/main.js');
  const args = [main, '--port', '0', '--data', join(folder, 'data'), '--models', folder];
  const env = { ...process.env, TMPDIR: folder, TETRIS_DAEMON_TENSOR_BYTES_MIN: '1024' };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  for await (const text of child.stdout.setEncoding('utf8')) {
    output += text;
    const [, url] = /ready on (http:\/\/[^: ]+:\d+)/.exec(output) ?? [];
    if (url !== undefined && output.includes('Ctrl-C')) return { url, child };
  }
  throw new Error(`the platform did not start:\n${output}`);
}

async function end(child) {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
}

async function playground(page, { url, model }) {
  await page.goto(url);
  const create = page.getByRole('form', { name: 'Create an action' });
  const invoke = page.getByRole('form', { name: 'Invoke an action' });
  await page.getByText('Create one beside this').waitFor();
  await take(page, 'playground-empty');
  const made = async (name, files) => {
    await create.getByLabel('Name').fill(name);
    await create.getByLabel(/^Model/).setInputFiles(files);
    await create.locator('button.primary').click();
    await create.getByText(`${name} is created.`).waitFor();
  };
  const invoked = async (name, times, outcome = 'success') => {
    await invoke.getByLabel('Action').selectOption(name);
    await invoke.getByLabel('At once').fill(String(times));
    await invoke.locator('button.primary').click();
    await page.locator(`#invoke [data-outcome=${outcome}]`).waitFor({ timeout: 60_000 });
  };
  await create.getByLabel('Objective').fill('300');
  await made('classify', model);
  await made('classify-of-another-team-with-a-long-name', model);
  await invoked('classify', 8);
  await invoked('classify-of-another-team-with-a-long-name', 2);
  await create.getByLabel('Objective').fill('');
  await made('hello', []);
  await invoked('hello', 1);
  await page.locator('#activations button.activation').first().click();
  await page.locator('#activations .activation-details pre').last().waitFor();
  await page.locator('#overlap').getByText('100 % of').first().waitFor();
  await page.waitForTimeout(2_000);
  await take(page, 'playground-busy');
  await create.locator('textarea[name=code]').fill('function main( { return');
  await made('broken', []);
  await invoked('broken', 1, 'failed');
  await page.locator('#activations button.activation').first().click();
  await page.locator('#activations .activation-details pre').last().waitFor();
  await create
    .getByLabel(/^Model/)
    .setInputFiles({ name: 'large.onnx', mimeType: '', buffer: Buffer.alloc(37 * 1024 ** 2) });
  await create.locator('button.primary').click();
  await create.locator('.outcome.bad').waitFor();
  await invoke.getByLabel(/^Input/).fill('{name: 1}');
  await invoke.locator('button.primary').click();
  await invoke.locator('.outcome.bad').waitFor();
  await take(page, 'playground-errors');
}

async function profile(page, { url, folder, model }) {
  await page.goto(`${url}/tetris/profile`);
  await page.locator('#jobs').getByText('None yet.').waitFor();
  await take(page, 'profile-empty');
  const form = page.getByRole('form', { name: 'Profile a model' });
  const submit = async (file, fields) => {
    await form.getByLabel(/^ONNX file/).setInputFiles(file);
    for (const [name, text] of Object.entries(fields)) await form.getByLabel(name).fill(text);
    await form.getByLabel(/^Cores/).fill('1');
    await form.locator('button.primary').click();
  };
  for (const name of ['fp16', 'int4']) await form.locator(`input[name=${name}]`).check();
  await submit(model, { 'Objective, ms': '300', Batches: '1,2,4', Workers: '1', Threads: '1', Rounds: '10' });
  await page
    .locator('[data-job=running]')
    .getByText(/[1-9]\d* of \d+: /)
    .waitFor({ timeout: 120_000 });
  const broken = join(folder, 'broken.onnx');
  writeFileSync(broken, 'no model');
  await submit(broken, {});
  await page.locator('[data-job=queued]').waitFor();
  await form.getByLabel('Batches').fill('one');
  await form.locator('button.primary').click();
  await form.locator('.outcome.bad').waitFor();
  await take(page, 'profile-running');
  await page.locator('[data-job=done]').waitFor({ timeout: 240_000 });
  await page.locator('[data-job=failed]').waitFor({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Report' }).click();
  await page.locator('[data-verdict]').waitFor();
  await page
    .getByLabel('Results of another machine, as JSON')
    .setInputFiles({ name: 'x.json', mimeType: '', buffer: Buffer.from('{}') });
  await page.locator('#known .outcome.bad').waitFor();
  await take(page, 'profile-report');
  const { sha256, bytes } = (await (await fetch(`${url}/tetris/profile/results`)).json())[0];
  const report = await fetch(`${url}/tetris/profile/report.json?sha256=${sha256}&bytes=${bytes}`);
  const exported = await report.json();
  for (const { machine } of exported.profiles) Object.assign(machine, { cpu: 'Neoverse-N1', cores: 64 });
  const buffer = Buffer.from(JSON.stringify(exported));
  await page
    .getByLabel('Results of another machine, as JSON')
    .setInputFiles({ name: 'arm.json', mimeType: '', buffer });
  await page.getByText('rows of Neoverse-N1 came.').waitFor();
  await page.getByText('2: ').first().waitFor();
  await take(page, 'profile-two-machines');
  await form.getByText('of an action').click();
  await form.getByLabel(/^Name of an action/).fill('nobody');
  await form.getByLabel(/^Name of an action/).blur();
  await form.locator('.note.bad').waitFor();
  await take(page, 'profile-no-such-action');
}

/** The page of a made-up cluster. */
async function operators(browser, name, options, { busy = true, stop = false } = {}) {
  const cluster = new MadeUpCluster(options);
  if (busy) cluster.live(240);
  const { url, access } = await cluster.start();
  const context = await browser.newContext({ httpCredentials: access, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(url);
  await page.locator('#functions').waitFor();
  if (busy) {
    await page.locator('#ways button.activation').first().click();
    await page.locator('#ways .activation-details dl').last().waitFor();
    await page.locator('.matrix tbody tr').first().waitFor();
  }
  if (stop) {
    await cluster.stop();
    await page.locator('.live.lost').waitFor();
  }
  await take(page, `operators-${name}`);
  await context.close();
  if (!stop) await cluster.stop();
}

async function main() {
  mkdirSync(flags.out, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'tetris-screenshots-'));
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'];
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args });
  const wanted = (page) => page.includes(flags.only) || flags.only.includes(page);
  try {
    if (wanted('operators')) {
      await operators(browser, 'empty', { nodes: 0, functions: 0 }, { busy: false });
      await operators(browser, 'busy', { nodes: 5, functions: 12 });
      await operators(browser, 'errors', { nodes: 4, functions: 8, silent: 1 }, { stop: true });
      await operators(browser, 'large', { nodes: 100, functions: 1_000 });
    }
    if (!wanted('playground') && !wanted('profile')) return;
    const { path: model } = await buildModel(
      transformer('tiny', { layers: 2, hidden: 128, heads: 4, sequence: 16 }),
      folder,
    );
    const { url, child } = await startPlatform(folder);
    const page = await browser.newPage();
    try {
      if (wanted('playground')) await playground(page, { url, model });
      if (wanted('profile')) await profile(page, { url, folder, model });
    } finally {
      await end(child);
    }
    await page.locator('.live.lost').waitFor();
    await take(page, 'platform-gone');
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
