/** The doctor as an operator runs it: against real servers and a real daemon, with files as the playbooks write them. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type KafkaServer, type RedisServer, startAll, startKafka, startRedis } from '@tetris/bench/servers';
import { createLogger, MESSAGE_BYTES_MAX, TOPIC_SETTINGS } from '@tetris/common';
import { KafkaBus } from '@tetris/common/kafka';
import { RedisRegistry } from '@tetris/common/redis';
import { CHECKS, type CheckName, type Finding } from '@tetris/doctor';
import { TestDaemon } from '../support/daemon';
import { documented } from '../support/docs/documented';
import { LoopbackServer } from '../support/loopback-server';

const DOCTOR = join(dirname(require.resolve('@tetris/doctor')), 'main.js');
const LOG = createLogger('test', 'silent');
const RUN_TIMEOUT_MS = 60_000;

let daemon: TestDaemon;
let kafka: KafkaServer | undefined;
let redis: RedisServer | undefined;
/** Answers for CouchDB and etcd alike. */
let http: LoopbackServer;
let url: string;
let settings: string;

beforeAll(async () => {
  daemon = new TestDaemon();
  http = new LoopbackServer((request, reply) => reply.writeHead(request.url === '/health' ? 200 : 404).end('{}'));
  ({ kafka, redis } = await startAll({ kafka: startKafka(), redis: startRedis() }));
  [url] = await Promise.all([http.open(), daemon.start()]);
  const bus = new KafkaBus({ brokers: [kafka.broker], clientId: 'test' }, LOG);
  const short = { ...TOPIC_SETTINGS.invoker, messageBytesMax: MESSAGE_BYTES_MAX - 1 };
  for (const topic of ['health', 'tetris-health']) await bus.ensureTopic(topic, TOPIC_SETTINGS.health);
  await bus.ensureTopic('tetris-invoker0', TOPIC_SETTINGS.invoker);
  await bus.ensureTopic('tetris-invoker2', short);
  await bus.close();
  const registry = new RedisRegistry({ url: redis.url }, LOG);
  const idle = { memoryBytes: 1, memoryUsedBytes: 0, running: 0, waiting: 0, warm: [], draining: false };
  await registry.publishStatus({ instance: 0, node: 'late', atMs: Date.now() - 8_000, ...idle });
  await registry.close();
  settings = join(daemon.folder, 'settings');
  mkdirSync(settings);
  const balancer = [`KAFKA_BROKERS="${kafka.broker}"`, `REDIS_URL="${redis.url}"`, `COUCH_URL="${url}"`];
  writeFileSync(join(settings, 'load-balancer.env'), balancer.map((line) => `TETRIS_BALANCER_${line}\n`).join(''));
  const paths = { SOCKET: 'instance.sock', OPERATOR_SOCKET: 'operator.sock', STORE: 'store' };
  const lines = Object.entries(paths).map(
    ([name, path]) => `TETRIS_DAEMON_${name}_PATH="${join(daemon.folder, path)}"\n`,
  );
  writeFileSync(join(settings, 'tensor-daemon.env'), lines.join(''));
});
afterAll(async () => {
  await Promise.all([kafka?.stop(), redis?.stop(), http.close(), daemon.dispose()]);
});

function doctor(...args: string[]): Promise<{ status: number; stdout: string }> {
  const options = { timeout: RUN_TIMEOUT_MS, env: { PATH: process.env['PATH'] } };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [DOCTOR, '--settings', settings, ...args], options, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code;
      if (typeof status === 'number') resolve({ status, stdout });
      else reject(new Error(stderr, { cause: error }));
    });
  });
}

/** What a documented command prints, whatever its status. */
async function shell(command: string): Promise<string> {
  const options = { cwd: resolve(__dirname, '../..'), timeout: RUN_TIMEOUT_MS };
  return new Promise((done) => execFile('sh', ['-c', command], options, (_error, stdout) => done(stdout)));
}

const findings = (text: string): Map<CheckName, Finding> =>
  new Map((JSON.parse(text) as Finding[]).map((finding) => [finding.check, finding]));

jest.setTimeout(2 * RUN_TIMEOUT_MS);

describe('tetris-doctor', () => {
  it('tells real servers, topics, clocks and mounts that are right from those that are not', async () => {
    const { status, stdout } = await doctor('--json', '--etcd', new URL(url).host);
    const found = findings(stdout);
    expect([...found.keys()]).toEqual(Object.keys(CHECKS));
    expect(status).toBe(1);
    const wrong = [...found.values()].filter((each) => each.status === 'wrong').map(({ check }) => check);
    // The tests' store is a folder of a tmpfs; their sockets lie in one folder.
    expect(wrong).toEqual(['store-mount', 'daemon-sockets', 'topic-size', 'invoker-ids', 'clock', 'couch']);
    expect(found.get('topic-size')?.found).toContain('tetris-invoker2');
    expect(found.get('invoker-ids')?.found).toContain('id 1,');
    expect(found.get('clock')?.found).toContain('late');
    expect(found.get('couch')?.found).toContain('answers 404');
    for (const check of ['settings', 'kafka', 'topics', 'redis', 'etcd'] as const) {
      expect(found.get(check)?.status).toBe('well');
    }
  });

  it('reads what a controller and a stock invoker were told from files, as `env` prints it', async () => {
    const file = join(daemon.folder, 'controller.txt');
    writeFileSync(file, 'CONFIG_whisk_spi_LoadBalancerProvider=\nRUNTIMES_MANIFEST={"runtimes":{}}\nHOME=/root\n');
    const command = documented('docs/operations.md', 'npm run doctor')
      .replace(/--image \S+ /, '')
      .replace('--controller controller0', `--controller ${file}`)
      .replace('--invoker invoker0', `--invoker ${file}`);
    const said = await shell(`${command} --settings ${settings} --json`);
    const found = findings(said.slice(said.indexOf('\n[')));
    expect(found.get('spi-classes')).toMatchObject({ status: 'wrong', mend: expect.stringContaining('l2.yml') });
    expect(found.get('manifest')).toMatchObject({
      status: 'wrong',
      found: 'the manifest of controllers lacks nodejs:tetris',
    });
  });

  it('expected failure: says which server is away', async () => {
    await redis?.down();
    const found = findings((await doctor('--json')).stdout);
    expect(found.get('redis')).toMatchObject({ status: 'wrong', mend: expect.stringContaining('redisUrl') });
    await redis?.up();
  });

  it('bad call: an unknown option is status 2, and settings that no component takes are a finding', async () => {
    expect((await doctor('--nonsense')).status).toBe(2);
    writeFileSync(join(settings, 'more.env'), 'TETRIS_DAEMON_SOKCET_PATH=/run/x\n');
    const { status, stdout } = await doctor();
    expect(status).toBe(1);
    expect(stdout).toMatch(/WRONG settings .*TETRIS_DAEMON_SOKCET_PATH/s);
  });
});
