'use strict';

const { randomBytes } = require('node:crypto');
const { readdirSync, readFileSync } = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { TestEnvironment } = require('jest-environment-node');

/** For processes that are ending by themselves. */
const GRACE_MS = 3_000;
/** For those that were killed. */
const KILL_MS = 5_000;
const POLL_MS = 20;

/**
 * Node's environment, and two things more for each file of tests:
 *
 * - No process that it has started outlives it. What a failed test has left is killed by its pid, so that it neither holds
 *   jest nor disturbs others; a file that leaves processes although its tests have passed fails.
 * - `testSeed` is the seed of its random tests (see `random.ts`): a new one, or that in `TEST_SEED`. Told where a test fails.
 */
class Environment extends TestEnvironment {
  #before = new Set();
  #failed = false;
  #path = '';

  constructor(config, context) {
    super(config, context);
    this.#path = context.testPath;
  }

  async setup() {
    await super.setup();
    this.#before = new Set(descendants());
    this.global.testSeed = Number(process.env.TEST_SEED ?? randomBytes(4).readUInt32LE());
  }

  handleTestEvent({ name, test }) {
    if (name === 'test_done' && test.errors.length > 0) this.#failed = true;
  }

  async teardown() {
    const { testSeed, testSeedIsUsed } = this.global;
    if (this.#failed && testSeedIsUsed) process.stderr.write(`${this.#path}: TEST_SEED=${testSeed} repeats this run\n`);
    await super.teardown();
    const left = await endThoseLeft(() => descendants().filter((pid) => !this.#before.has(pid)));
    if (left.length > 0 && !this.#failed) throw new Error(`processes are left: ${left.join('; ')}`);
  }
}

/** @returns what had to be killed: pid and command line */
async function endThoseLeft(living) {
  await until(() => living().length === 0, GRACE_MS);
  const left = living();
  const names = left.map((pid) => `${pid} ${textOf(pid, 'cmdline').replaceAll('\0', ' ').slice(0, 200)}`);
  for (const pid of left) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
  await until(() => living().length === 0, KILL_MS);
  return names;
}

async function until(condition, timeoutMs) {
  for (const endMs = Date.now() + timeoutMs; !condition() && Date.now() < endMs;) await sleep(POLL_MS);
}

/** Processes below this one, except those that have ended and wait to be buried. */
function descendants() {
  const children = new Map();
  for (const pid of pids()) {
    // After the command, which may hold blanks and brackets.
    const [state, parent] = textOf(pid, 'stat').split(') ').at(-1).split(' ');
    if (state !== 'Z') children.set(Number(parent), [...(children.get(Number(parent)) ?? []), pid]);
  }
  const below = (pid) => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(process.pid);
}

const pids = () =>
  process.platform === 'linux'
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
    : [];

function textOf(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

module.exports = Environment;
