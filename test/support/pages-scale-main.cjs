'use strict';
/*
 * `npm run pages:scale`: the operators' page of 1,000 functions on 100 nodes, in headless Chromium. Prints the time until
 * it is painted and what its updates cost, as JSON, and ends with 1 where a target is missed. Real server, real page; the
 * invokers' statuses are made up.
 */
const { mkdtempSync, readFileSync, readdirSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { chromium } = require('playwright-core');
const { MadeUpCluster } = require('./made-up-cluster.cjs');

const NODES = 100;
const FUNCTIONS = 1_000;
/** Between two statuses of an invoker, and two states that the page is sent. */
const STEP_MS = 2_000;
const WATCHED_MS = 30_000;
const UNWATCHED_MS = 20_000;
const TICKS_PER_SECOND = 100;
/** At most; of updates, of the server and the whole browser together. */
const TARGETS = { paintedMs: 1_000, allCorePercent: 5 };

/** CPU time of a process and all below it, ms. */
function cpuMs(root) {
  const parents = new Map();
  const used = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      parents.set(Number(pid), Number(fields[1]));
      used.set(Number(pid), Number(fields[11]) + Number(fields[12]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (pid) => pid === root || (parents.has(pid) && pid !== parents.get(pid) && isBelow(parents.get(pid)));
  return [...used].reduce((sum, [pid, ticks]) => sum + (isBelow(pid) ? (ticks * 1000) / TICKS_PER_SECOND : 0), 0);
}

const cpuSelfMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

async function main() {
  const cluster = new MadeUpCluster({ nodes: NODES, functions: FUNCTIONS });
  cluster.live(600);
  const { url, access, source } = await cluster.start();
  const timer = setInterval(() => cluster.tick(), STEP_MS);
  // What this process needs anyway, to make statuses up.
  const idleMs = cpuSelfMs();
  await sleep(UNWATCHED_MS);
  const unwatchedShare = (cpuSelfMs() - idleMs) / UNWATCHED_MS;
  const profile = mkdtempSync(join(tmpdir(), 'tetris-scale-'));
  const context = await chromium.launchPersistentContext(profile, {
    ...{ executablePath: '/usr/bin/chromium', headless: true, viewport: { width: 1280, height: 900 } },
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
    httpCredentials: access,
  });
  try {
    const page = await context.newPage();
    const begun = performance.now();
    await page.goto(url);
    await page.waitForSelector('#functions tbody tr');
    const paintedMs = await page.evaluate(
      () =>
        new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())))),
    );
    const seenMs = performance.now() - begun;
    await page.waitForSelector('.matrix tbody tr');
    await sleep(3_000);
    const session = await context.newCDPSession(page);
    await session.send('Performance.enable');
    const figuresNow = async () => ({
      all: cpuMs(process.pid) - unwatchedShare * performance.now(),
      server: cpuSelfMs() - unwatchedShare * performance.now(),
      ...(await times(session)),
    });
    const before = await figuresNow();
    await sleep(WATCHED_MS);
    const after = await figuresNow();
    const share = (key, unit) => Number(((100 * (after[key] - before[key]) * unit) / WATCHED_MS).toFixed(1));
    const figures = {
      ...{ nodes: NODES, functions: FUNCTIONS, stateBytes: JSON.stringify(source.report()).length },
      ...{ paintedMs: Math.round(paintedMs), seenMs: Math.round(seenMs) },
      ...{ domRows: await page.locator('tbody tr').count() },
      ...{ pageCorePercent: share('task', 1_000), serverCorePercent: share('server', 1) },
      ...{ allCorePercent: share('all', 1), ...(await scrolled(page)) },
    };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    const missed = Object.entries(TARGETS).filter(([name, most]) => figures[name] > most);
    for (const [name, most] of missed) process.stderr.write(`${name} is above ${most}\n`);
    process.exitCode = missed.length > 0 ? 1 : 0;
    await page.screenshot({ path: process.argv[2] ?? join(profile, 'page.png'), fullPage: true });
  } finally {
    await context.close();
    clearInterval(timer);
    await cluster.stop();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What the page's main thread has worked, s. */
async function times(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  return { task: metrics.find(({ name }) => name === 'TaskDuration').value };
}

/** The last row is reached, and found by its name. */
async function scrolled(page) {
  const region = page.getByRole('group', { name: 'Functions' });
  const begun = performance.now();
  await region.evaluate((element) => (element.scrollTop = element.scrollHeight));
  await page.locator(`#functions tr[aria-rowindex="${FUNCTIONS + 1}"]`).waitFor();
  const scrollMs = Math.round(performance.now() - begun);
  const finding = performance.now();
  await page.locator('input[name=find]').fill('function-777');
  await page.locator('#functions tbody tr').getByText('function-777').waitFor();
  return { scrollMs, findMs: Math.round(performance.now() - finding) };
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
