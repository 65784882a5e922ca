'use strict';
/*
 * `npm run pages:scale`: the operators' page of 1,000 functions on 100 nodes, in headless Chromium. Prints the time until
 * it is painted and what its updates cost, as JSON. Real server, real page; the invokers' statuses are made up.
 */
const { mkdtempSync, readFileSync, readdirSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { chromium } = require('playwright-core');
const { Registry } = require('prom-client');
const { latencyBucket } = require('@tetris/common');
const { Fleet, SimilarityIndex } = require('@tetris/load-balancer');
const dist = (file) => require(join(require.resolve('@tetris/load-balancer'), '..', file));
const { Figures, totalMemory } = dist('status/figures.js');
const { History } = dist('status/history.js');
const { overlapsOf } = dist('status/overlap.js');
const { statusReport } = dist('status/report.js');
const { startStatusServer } = dist('status/server.js');
const { Trail } = dist('status/trail.js');

const NODES = 100;
const FUNCTIONS = 1_000;
const NODES_OF_EACH = 3;
const WATCHED_MS = 30_000;
const TICKS_PER_SECOND = 100;
const GIB = 1024 ** 3;

const fleet = new Fleet({ silenceMs: 1e9, stockGraceMs: 3_000, suspectMs: 1, forgetMs: 1e9, invokersMax: 1_000 });
const similarity = new SimilarityIndex({ actionsMax: 20_000, nodesMax: 1_000 });
const figures = new Figures();
const history = new History(1_000);
const trail = new Trail();

const functionOf = (index, now) => ({
  ...{ action: `team${index % 20}/function-${index}@1-a`, namespace: `team${index % 20}`, sloMs: 300 },
  instances: [{ state: 'warm', shape: 'p=1 t=1 b=8', count: 1 + (index % 3) }],
  ...{ activations: 1_000 + now, coldStarts: 2, refusals: index % 50 === 0 ? { 'queue-full': 3 } : {} },
  ...{ answered: 60 + ((now + index) % 40), inTime: 55, batchSum: 240, batchCount: 60 },
  latency: Array.from({ length: 12 }, (_, at) => [latencyBucket(20 + at * 25), 1 + ((index + now + at) % 7)]),
});

/** Every node says how it is, a little different each time. */
function report(now) {
  for (let node = 0; node < NODES; node += 1) {
    const own = Array.from({ length: (FUNCTIONS / NODES) * NODES_OF_EACH }, (_, at) => (node * 10 + at) % FUNCTIONS);
    const memory = { storeBytes: 9 * GIB, leasedBytes: 7 * GIB + now, unsharedBytes: 50 * GIB, privateBytes: 6 * GIB };
    const status = {
      ...{ instance: node, node: `node${node}`, atMs: Date.now(), memoryBytes: 64 * GIB, memoryUsedBytes: 13 * GIB },
      ...{ running: node % 9, waiting: 0, warm: [], draining: false },
      report: { atMs: Date.now(), windowMs: 60_000, memory, functions: own.map((index) => functionOf(index, now)) },
    };
    fleet.status(status, Date.now());
    fleet.ping({ name: { instance: node, userMemory: '64 GB' }, isEnabled: true }, Date.now());
    figures.observe(status);
  }
}

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

async function main() {
  for (let index = 0; index < FUNCTIONS; index += 1) {
    // A backbone that ten functions share, and a head of its own.
    const digest = (text) => require('node:crypto').createHash('sha256').update(text).digest('hex');
    const backbone = Array.from({ length: 100 }, (_, at) => ({ sha256: digest(`b${index % 100} ${at}`), bytes: 1e6 }));
    const tensors = [...backbone, { sha256: digest(`h${index}`), bytes: 4e6 }];
    similarity.setManifest(`team${index % 20}/function-${index}@1-a`, { tensors, privateBytes: 6e7, models: [] });
  }
  report(0);
  for (let second = 0; second < 600; second += 1) {
    history.add(totalMemory(figures.nodes(fleet, Date.now())), Date.now() - (600 - second) * 1_000);
  }
  const source = {
    report: () =>
      statusReport({ fleet, similarity, figures, history, trail }, { inFlight: 40, waiting: 3 }, Date.now()),
    overlaps: (names) =>
      overlapsOf(
        names,
        names.map((name) => similarity.demand(similarity.latest(name) ?? '')?.set),
      ),
    way: async () => undefined,
  };
  const access = { user: 'operator', password: 'secret' };
  const server = await startStatusServer({ host: '127.0.0.1', port: 0, metrics: new Registry(), source, access });
  let now = 1;
  let madeUpMs = 0;
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage();
    report((now += 1));
    const used = process.cpuUsage();
    madeUpMs += (used.user - user + used.system - system) / 1_000;
  }, 2_000);
  const profile = mkdtempSync(join(tmpdir(), 'tetris-scale-'));
  const context = await chromium.launchPersistentContext(profile, {
    ...{ executablePath: '/usr/bin/chromium', headless: true, viewport: { width: 1280, height: 900 } },
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
    httpCredentials: { username: access.user, password: access.password },
  });
  try {
    const page = await context.newPage();
    const begun = performance.now();
    await page.goto(server.url);
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
    const figuresNow = async () => ({ all: cpuMs(process.pid) - madeUpMs, ...(await times(session)) });
    const before = await figuresNow();
    await sleep(WATCHED_MS);
    const after = await figuresNow();
    const share = (key, unit) => Number(((100 * (after[key] - before[key]) * unit) / WATCHED_MS).toFixed(1));
    const scroll = await scrolled(page);
    process.stdout.write(
      `${JSON.stringify({
        ...{ nodes: NODES, functions: FUNCTIONS, stateBytes: JSON.stringify(source.report()).length },
        ...{
          paintedMs: Math.round(paintedMs),
          seenMs: Math.round(seenMs),
          domRows: await page.locator('tbody tr').count(),
        },
        ...{ pageCorePercent: share('task', 1_000), allCorePercent: share('all', 1), ...scroll },
      })}\n`,
    );
    await page.screenshot({ path: process.argv[2] ?? join(profile, 'page.png'), fullPage: true });
  } finally {
    await context.close();
    clearInterval(timer);
    await server.close();
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
