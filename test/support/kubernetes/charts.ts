/** Helm, kubectl and the schemas, as `kubernetes/tools.sh` installs them. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

export const KUBERNETES = resolve(__dirname, '../../../kubernetes');
const CACHE = join(KUBERNETES, '.cache');
const GOLDEN = resolve(__dirname, '../../golden/kubernetes');
const COMMAND_TIMEOUT_MS = 120_000;
const OUTPUT_BYTES_MAX = 64 * 1024 ** 2;

/** The oldest that the chart says it is for, and the newest six. */
export const VERSIONS = ['1.25', '1.32', '1.33', '1.34', '1.35', '1.36', '1.37'] as const;

export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

interface RunOptions {
  input?: string;
  env?: Readonly<Record<string, string>>;
  cwd?: string;
}

const optionsOf = ({ env = {}, cwd }: RunOptions) => ({
  env: { ...process.env, ...env, PATH: [join(CACHE, 'bin'), process.env['PATH'] ?? ''].join(delimiter) },
  encoding: 'utf8' as const,
  timeout: COMMAND_TIMEOUT_MS,
  maxBuffer: OUTPUT_BYTES_MAX,
  ...(cwd === undefined ? {} : { cwd }),
});

/** @throws Error with what the command says on standard error */
export function run(command: string, args: readonly string[], options: RunOptions = {}): string {
  return execFileSync(command, args, {
    input: options.input ?? '',
    ...optionsOf(options),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** The same for commands that talk to a server of the caller's own. @returns what it prints */
export async function runAsync(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return (await promisify(execFile)(command, args, optionsOf(options))).stdout;
}

/** Installs the tools; for `beforeAll`. */
export function installTools(): void {
  run('sh', [join(KUBERNETES, 'tools.sh')]);
}

/** The chart `tetris` as Helm renders it. */
export function template(version: string, values: Record<string, unknown> = {}): string {
  const set = Object.entries(values).flatMap(([name, value]) => ['--set-json', `${name}=${JSON.stringify(value)}`]);
  const options = ['--namespace', 'openwhisk', '--kube-version', `${version}.0`];
  return run('helm', ['template', 'tetris', join(KUBERNETES, 'tetris'), ...options, ...set]);
}

/** A release of OpenWhisk after the post-renderer. */
export function postRender(level: 1 | 2, release: string, env: Record<string, string> = {}): string {
  return run(join(KUBERNETES, 'openwhisk/post-render.sh'), [String(level)], { input: release, env });
}

/** Checks files against the strict schemas. */
export function validate(
  versions: readonly string[],
  files: readonly string[],
): { problems: string[]; objects: KubernetesObject[] } {
  const script = join(__dirname, 'validate.py');
  const output = run(join(CACHE, 'python/bin/python'), [script, versions.join(','), ...files]);
  return JSON.parse(output) as { problems: string[]; objects: KubernetesObject[] };
}

/** What a file held when somebody looked at it last; `UPDATE_GOLDEN=1` writes it anew, for the diff to be looked at. */
export function golden(name: string, rendered: string): string {
  const path = join(GOLDEN, name);
  if (process.env['UPDATE_GOLDEN'] === '1' || !existsSync(path)) {
    if (process.env['CI'] === 'true') throw new Error(`${path} is not there`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, rendered);
  }
  return readFileSync(path, 'utf8');
}
