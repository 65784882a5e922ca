/**
 * Runs a test file in a network, mount and process namespace of its own.
 *
 * ```ts
 * inNamespace(__filename, () => {
 *   describe('...', () => { ... });   // here: a free loopback, engines, bridges, whatever the test starts
 * });
 * ```
 *
 * Outside, the file starts jest again on itself inside fresh namespaces and reports each of that run's tests as its
 * own. Inside, it simply defines them. The test process is therefore in the same network as the containers that it
 * starts, and when it ends, however it ends, the kernel ends every process, mount and interface with it. What other
 * servers such a test needs (a broker, a database) it starts inside as well; only files and Unix sockets are shared
 * with the outside.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/** Set inside: the folder that the outer run removes afterwards. */
const FOLDER_VARIABLE = 'TETRIS_TEST_NAMESPACE';
/** In that folder: lines for the outer run to print. */
const NOTES = 'notes.txt';
const RUN_TIMEOUT_MS = 20 * 60_000;
const OUTPUT_BYTES_MAX = 16 * 1024 ** 2;
/** With tests of this kind. */
const PROJECTS = ['integration', 'hosts', 'stock'];
const JEST = require.resolve('jest/bin/jest');
const ROOT = resolve(__dirname, '../../..');

/** Tools of Debian's packages `docker.io`, `iproute2` and `util-linux`. */
const TOOLS = ['dockerd', 'containerd', 'docker', 'docker-init', 'iptables', 'ip', 'unshare'];

interface JestReport {
  testResults: {
    message: string;
    assertionResults: { ancestorTitles: string[]; title: string; status: string; failureMessages: string[] }[];
  }[];
}

/** Defines `define`'s tests in namespaces of their own; see the top of this file. */
export function inNamespace(file: string, define: () => void): void {
  if (process.env[FOLDER_VARIABLE] !== undefined) {
    define();
    return;
  }
  const lacking = whatIsLacking();
  if (lacking === undefined) report(runInside(file));
  else refuse(lacking);
}

/** The folder for everything that a namespaced test writes; the outer run removes it. */
export function namespaceFolder(): string {
  const folder = process.env[FOLDER_VARIABLE];
  if (folder === undefined) throw new Error('this part of the test kit works inside inNamespace() only');
  return folder;
}

/** Name of the cgroup under which an engine of this test run puts its containers; the outer run removes it. */
export function namespaceCgroup(folder: string = namespaceFolder()): string {
  return `tetris-test-${folder.slice(folder.lastIndexOf('-') + 1)}`;
}

/** Makes a folder in memory. The mount is the namespace's alone and goes with it. `size` as in `size=2g`. */
export function mountMemory(path: string, size: string): void {
  namespaceFolder(); // outside, the mount would stay
  mkdirSync(path, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
}

/** Shows a line to whoever runs the test, where jest's own output of the inner run is only read for its report. */
export function note(line: string): void {
  appendFileSync(join(namespaceFolder(), NOTES), `${line}\n`);
}

/** What this machine lacks for a Docker engine of our own, in words; undefined when it has everything. */
function whatIsLacking(): string | undefined {
  if (process.getuid?.() !== 0) return 'it must run as root';
  const folders = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  const missing = TOOLS.filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
  if (missing.length === 0) return undefined;
  return `missing: ${missing.join(', ')}; apt-get install -y --no-install-recommends docker.io iproute2`;
}

/** Says why nothing can be tested: a failure in CI, elsewhere a skipped test whose name carries the reason. */
function refuse(reason: string): void {
  describe('a Docker engine in a namespace of its own', () => {
    if (process.env['CI'] === 'true') {
      it('can be started', () => {
        throw new Error(`no engine: ${reason}`);
      });
    } else {
      it.skip(`cannot be started here: ${reason}`, () => undefined);
    }
  });
}

function runInside(file: string): JestReport {
  const folder = mkdtempSync(join(tmpdir(), 'tetris-docker-'));
  try {
    const reportPath = join(folder, 'report.json');
    const jest = [process.execPath, JEST, '--selectProjects', ...PROJECTS, '-i', '--runTestsByPath', file];
    const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    // The shell is process 1 in there: it brings loopback up and reaps what the engine leaves behind.
    const shell = ['sh', '-c', 'ip link set lo up && "$@"; exit $?', 'sh'];
    const ran = spawnSync('unshare', [...namespaces, ...shell, ...jest, '--json', '--outputFile', reportPath], {
      cwd: ROOT,
      env: { ...process.env, [FOLDER_VARIABLE]: folder, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
      timeout: RUN_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: OUTPUT_BYTES_MAX,
      encoding: 'utf8',
    });
    if (existsSync(join(folder, NOTES))) process.stderr.write(readFileSync(join(folder, NOTES)));
    if (existsSync(reportPath)) return JSON.parse(readFileSync(reportPath, 'utf8')) as JestReport;
    const why = ran.error?.message ?? `status ${ran.status ?? ran.signal ?? 'unknown'}`;
    return { testResults: [{ message: `${why}\n${ran.stdout}\n${ran.stderr}`, assertionResults: [] }] };
  } finally {
    removeCgroups(namespaceCgroup(folder));
    rmSync(folder, { recursive: true, force: true });
  }
}

function report({ testResults }: JestReport): void {
  describe('in a namespace of its own', () => {
    for (const { message, assertionResults } of testResults) {
      if (assertionResults.length === 0) {
        it('runs', () => {
          throw new Error(message);
        });
      }
      for (const { ancestorTitles, title, status, failureMessages } of assertionResults) {
        const name = [...ancestorTitles, title].join(' › ');
        if (status === 'passed' || status === 'failed') {
          it(name, () => {
            if (status === 'failed') throw new Error(failureMessages.join('\n'));
          });
        } else it.skip(name, () => undefined);
      }
    }
  });
}

/** Removes the cgroups that killed containers leave, in every hierarchy, wherever the engine put them. */
function removeCgroups(name: string): void {
  const found = (folder: string, depth: number): string[] =>
    foldersIn(folder).flatMap((child) => {
      const path = join(folder, child);
      if (child === name) return [path];
      return depth > 0 ? found(path, depth - 1) : [];
    });
  // The deepest first.
  const tree = (folder: string): string[] => [
    ...foldersIn(folder).flatMap((child) => tree(join(folder, child))),
    folder,
  ];
  const groups = found('/sys/fs/cgroup', 3).flatMap(tree);
  for (const group of groups) thaw(group);
  for (const group of groups) removeGroup(group);
}

/** What is frozen (a paused container) does not end before. */
function thaw(group: string): void {
  for (const [file, value] of Object.entries({ 'freezer.state': 'THAWED', 'cgroup.freeze': '0' })) {
    if (existsSync(join(group, file))) writeFileSync(join(group, file), value);
  }
}

/** A group is busy until the last process in it has ended, which takes those a moment that were killed. */
function removeGroup(folder: string): void {
  for (let attempts = 50; ; attempts -= 1) {
    try {
      rmdirSync(folder);
      return;
    } catch (error) {
      if (attempts === 0 || (error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return []; // somebody else's cgroup that went away meanwhile
  }
}
