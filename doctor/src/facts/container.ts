/** What a function instance would see, asked from inside a container or pod. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { cpuOf, detectPlatform } from '@tetris/tensor-daemon';
import type { ContainerView } from '../facts';

const TIMEOUT_MS = 60_000;

/** Where to ask: a fresh container of an image, a container that runs, or a pod. */
export interface ContainerSource {
  image?: string;
  container?: string;
  pod?: string;
}

/** What a fresh container is given beside the image, as a stock invoker gives it (`openwhisk/l1.yml`). */
export interface ContainerMounts {
  socketFolder: string;
  storePath: string;
}

/** Runs inside: prints one line of JSON. Node and its own modules only, of whatever version the image has. */
const PROBE = `
const fs = require('fs'), http = require('http');
const attempt = (f) => { try { return f(); } catch { return undefined; } };
const views = process.env.TETRIS_RUNTIME_VIEWS || '/tetris/views';
const socketPath = process.env.TETRIS_RUNTIME_DAEMON_SOCKET || '/run/tetris/daemon.sock';
const seen = {
  onnxruntime: attempt(() => JSON.parse(fs.readFileSync('/opt/tetris/node_modules/onnxruntime-node/package.json', 'utf8')).version) ?? 'none',
  architecture: process.arch,
  cpuInfo: (attempt(() => fs.readFileSync('/proc/cpuinfo', 'utf8')) ?? '').split('\\n').find((l) => /^(flags|Features)/.test(l)) ?? '',
  viewsDevice: attempt(() => fs.statSync(views).dev) ?? 0,
  viewsListable: attempt(() => fs.readdirSync(views)) !== undefined,
  viewsWritable: attempt(() => { fs.mkdirSync(views + '/doctor'); fs.rmdirSync(views + '/doctor'); return true; }) ?? false,
};
const tell = (daemon) => { console.log(JSON.stringify({ ...seen, daemon })); process.exit(0); };
http.get({ socketPath, path: '/v1/health', timeout: 5000 }, (reply) => {
  let text = '';
  reply.on('data', (chunk) => (text += chunk)).on('end', () => tell(attempt(() => JSON.parse(text).state) ?? text));
}).on('timeout', () => tell('no answer')).on('error', (error) => tell(error.message));
`;

function command({ image, container, pod }: ContainerSource, mounts: ContainerMounts): [string, ...string[]] {
  const probe = ['node', '-e', PROBE];
  if (pod !== undefined) {
    const [name = '', namespace = 'default'] = pod.split('/').reverse();
    return ['kubectl', 'exec', '--namespace', namespace, name, '--', ...probe];
  }
  if (container !== undefined) return ['docker', 'exec', container, ...probe];
  const volumes = [`${mounts.storePath}/views:/tetris/views:ro`, `${mounts.socketFolder}:/run/tetris:ro`];
  const given = [
    // Images are brought to nodes by a roll-out; one that is not here is a finding.
    '--pull=never',
    '--cap-drop',
    'DAC_OVERRIDE',
    '--network',
    'none',
    ...volumes.flatMap((volume) => ['--volume', volume]),
  ];
  return ['docker', 'run', '--rm', ...given, image ?? '', ...probe];
}

/** @throws Error where the engine or the cluster does not run the probe */
export async function containerView(source: ContainerSource, mounts: ContainerMounts): Promise<ContainerView> {
  const [program, ...args] = command(source, mounts);
  const { stdout } = await promisify(execFile)(program, args, { timeout: TIMEOUT_MS }).catch((error: unknown) => {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new Error(stderr.trim().split('\n').at(-1) || message);
  });
  const { architecture, cpuInfo, ...seen } = JSON.parse(stdout) as ContainerView & {
    architecture: string;
    cpuInfo: string;
  };
  const platform = { ...detectPlatform(cpuInfo), architecture };
  return { ...seen, cpu: cpuOf(platform) };
}
