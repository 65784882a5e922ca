/** The playbooks, as far as they can be tried without a cluster: what they write is what the components read. */
import { type ConfigSchema, readConfig } from '@tetris/common';
import { invokerConfig } from '@tetris/invoker-extension';
import { balancerConfig } from '@tetris/load-balancer';
import { DAEMON_CONFIG } from '@tetris/tensor-daemon';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { itAsRoot } from '../support/as-root';
import { documented } from '../support/docs/documented';
import { openwhiskVariable } from '../support/openwhisk-variables';

const ANSIBLE = resolve(__dirname, '../../ansible');
const COMMAND_TIMEOUT_MS = 60_000;
const PLAYBOOKS = readdirSync(ANSIBLE).filter((name) => name.endsWith('.yml'));
const INVENTORY = `[invokers]
node1 ansible_connection=local
[tetris_invokers]
node1 tetris_invoker_instance=3
[balancers]
other ansible_connection=local
node1
`;

const lacking = spawnSync('ansible-playbook', ['--version']).error !== undefined;
if (lacking && process.env['CI'] !== 'true') {
  describe('the playbooks', () => {
    it.skip('cannot be tried here: apt-get install -y --no-install-recommends ansible', () => undefined);
  });
} else {
  definePlaybookTests();
}

function definePlaybookTests(): void {
  jest.setTimeout(2 * COMMAND_TIMEOUT_MS);
  let folder: string;
  let inventory: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tetris-ansible-'));
    inventory = join(folder, 'inventory.ini');
    writeFileSync(inventory, INVENTORY);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function run(command: string, ...args: string[]): string {
    const env = { ...process.env, ANSIBLE_LOCAL_TEMP: join(folder, 'local'), ANSIBLE_NOCOLOR: '1' };
    return execFileSync(command, args, { cwd: ANSIBLE, env, encoding: 'utf8', timeout: COMMAND_TIMEOUT_MS });
  }

  /** A command of the documentation, which names what is in its environment. */
  function shell(command: string, env: Readonly<Record<string, string>>): void {
    const exported = Object.entries(env).map(([name, value]) => `export ${name}='${value}'`);
    run('sh', '-ec', [...exported, `export ANSIBLE_INVENTORY='${inventory}'`, command].join('\n'));
  }

  /** The settings file of a component as the playbooks write it, parsed. `extra`: variables of an inventory. */
  function settings(component: string, extra: Record<string, unknown> = {}): Record<string, string> {
    const target = join(folder, `${component}.env`);
    const template = join(ANSIBLE, 'roles/tetris_service/templates/environment.j2');
    const variables = JSON.stringify({ ...extra, tetris_service_component: component });
    const options = ['-m', 'ansible.builtin.template', '-a', `src=${template} dest=${target}`, '-e', variables];
    run('ansible', 'node1', '-i', inventory, '--playbook-dir', ANSIBLE, ...options);
    const pairs = [...readFileSync(target, 'utf8').matchAll(/^(\w+)="(.*)"$/gm)];
    return Object.fromEntries(pairs.map(([, name = '', text = '']) => [name, text.replace(/\\(.)/g, '$1')]));
  }

  describe('the playbooks', () => {
    it.each(PLAYBOOKS)('%s has no syntax error', (playbook) => {
      expect(() => run('ansible-playbook', '-i', inventory, '--syntax-check', playbook)).not.toThrow();
    });

    it.each([DAEMON_CONFIG, invokerConfig, balancerConfig] as ConfigSchema[])(
      'write settings that $component reads without a complaint',
      (schema) => {
        expect(() => readConfig(schema, settings(schema.component))).not.toThrow();
      },
    );

    it('take the ids of an invoker and of a load balancer from the inventory', () => {
      expect(readConfig(invokerConfig, settings('invoker')).instance).toBe(3);
      expect(readConfig(balancerConfig, settings('balancer')).firstVirtualInvoker).toBe(1);
    });

    describe('about peers', () => {
      const SECRET = 'a secret of some length';
      const nodes = (...tetrisInvokers: string[]): void => {
        const rows = ['node1', 'node2', 'node3'].map(
          (node, index) => `${node} ansible_host=10.0.0.${index + 1} ansible_connection=local`,
        );
        const groups = ['[invokers]', ...rows, '[tetris_invokers]', ...tetrisInvokers, '[balancers]', 'node1'];
        writeFileSync(inventory, `${groups.join('\n')}\n`);
      };
      afterEach(() => writeFileSync(inventory, INVENTORY));

      it('say nothing by default', () => {
        expect(readConfig(DAEMON_CONFIG, settings('daemon'))).toMatchObject({
          peerListen: '',
          peers: [],
          peerSecretPath: '',
          diskPath: '',
          diskOriginalBytesMax: 0,
        });
        expect(readConfig(invokerConfig, settings('invoker')).daemonPeerUrl).toBe('');
      });

      it('name the other nodes where no registry does', () => {
        nodes();
        const shared = { tetris_deploy_peer_port: 8875, tetris_deploy_peer_secret: SECRET };
        const written = settings('daemon', shared);
        expect(readConfig(DAEMON_CONFIG, written)).toMatchObject({
          peerListen: '0.0.0.0:8875',
          peers: ['http://10.0.0.2:8875', 'http://10.0.0.3:8875'],
          peerSecretPath: '/etc/tetris/peer/secret',
          peersAskedMax: 16,
        });
        expect(JSON.stringify(written)).not.toContain(SECRET);
      });

      it('leave that to the registry under the invoker extension, which makes its own node known', () => {
        nodes('node1', 'node2');
        const tls = {
          tetris_deploy_peer_tls_cert: 'c',
          tetris_deploy_peer_tls_key: 'k',
          tetris_deploy_peer_tls_ca: 'a',
        };
        const shared = {
          tetris_deploy_peer_port: 8875,
          ...tls,
          tetris_invoker_peers_ms: 1_000,
          tetris_invoker_instance: 0,
        };
        expect(readConfig(DAEMON_CONFIG, settings('daemon', shared))).toMatchObject({
          peers: [],
          peerSecretPath: '',
          peerTlsCertPath: '/etc/tetris/peer/cert.pem',
          peerTlsKeyPath: '/etc/tetris/peer/key.pem',
          peerTlsCaPath: '/etc/tetris/peer/ca.pem',
        });
        expect(readConfig(invokerConfig, settings('invoker', shared))).toMatchObject({
          daemonPeerUrl: 'https://10.0.0.1:8875',
          peersMs: 1_000,
        });
      });

      /** Carries out what the role does about peers. @returns what Ansible says of it, at its most talkative */
      const peers = (extra: Record<string, unknown>): string => {
        const own = { tetris_deploy_settings_folder: join(folder, 'settings'), tetris_deploy_user: 'root' };
        const playbook = join(folder, 'peers.yml');
        const task = { 'ansible.builtin.include_role': { name: 'tensor_daemon', tasks_from: 'peers.yml' } };
        writeFileSync(playbook, JSON.stringify([{ hosts: 'node1', gather_facts: false, tasks: [task] }]));
        const variables = JSON.stringify({ ...own, ...extra });
        const options = ['-e', `@${join(ANSIBLE, 'group_vars/all.yml')}`, '-e', variables, '-vvv', '--diff'];
        return run('ansible-playbook', '-i', inventory, ...options, playbook);
      };
      const written = join('settings', 'peer');

      itAsRoot(
        'write the secret so that only root and the service read it, say it to nobody, and change nothing twice',
        () => {
          const said = peers({ tetris_deploy_peer_port: 8875, tetris_deploy_peer_secret: SECRET });
          const path = join(folder, written, 'secret');
          expect(readFileSync(path, 'utf8')).toBe(`${SECRET}\n`);
          expect([statSync(path).mode & 0o777, statSync(join(folder, written)).mode & 0o777]).toEqual([0o640, 0o750]);
          expect(said).not.toContain(SECRET);
          expect(peers({ tetris_deploy_peer_port: 8875, tetris_deploy_peer_secret: SECRET })).toMatch(/changed=0 /);
        },
      );

      itAsRoot('write certificates in place of a secret, and remove all where there are no peers any more', () => {
        const tls = Object.fromEntries(
          ['cert', 'key', 'ca'].map((name) => {
            writeFileSync(join(folder, name), `-----BEGIN ${name}-----\n`);
            return [`tetris_deploy_peer_tls_${name}`, join(folder, name)];
          }),
        );
        const said = peers({ tetris_deploy_peer_port: 8875, ...tls });
        expect(readdirSync(join(folder, written)).sort()).toEqual(['ca.pem', 'cert.pem', 'key.pem']);
        expect(readFileSync(join(folder, written, 'key.pem'), 'utf8')).toBe('-----BEGIN key-----\n');
        expect(said).not.toContain('BEGIN key');
        peers({});
        expect(existsSync(join(folder, written))).toBe(false);
      });

      it('bad call: a port without a secret or certificates is refused, and half of the certificates', () => {
        for (const extra of [{ tetris_deploy_peer_port: 8875 }, { tetris_deploy_peer_tls_ca: 'a' }]) {
          let said = '';
          try {
            peers(extra);
          } catch (error) {
            said = String((error as { stdout?: string }).stdout);
          }
          expect(said).toContain('needs tetris_deploy_peer_secret');
        }
      });
    });

    describe('before anything is changed', () => {
      const preflight = (variables: Record<string, unknown>): string => {
        const bundle = join(folder, 'bundle.tar.gz');
        writeFileSync(bundle, '');
        const all = { ansible_become: false, tetris_deploy_bundle: bundle, ...variables };
        try {
          return run('ansible-playbook', '-i', inventory, 'preflight.yml', '-e', JSON.stringify(all));
        } catch (error) {
          return String((error as { stdout?: string }).stdout).replaceAll(/\\?\n/g, ' ');
        }
      };

      it.each<[string, Record<string, unknown>, RegExp]>([
        ['an unknown level', { tetris_level: 3 }, /tetris_level is 1 or 2, not mode=deploy tetris_level=3/],
        ['an unknown mode', { mode: 'undo' }, /mode is deploy, rollback or clean/],
        ['no bundle', { tetris_deploy_bundle: '/nowhere.tar.gz' }, /no bundle \/nowhere.*ansible\/bundle\.sh/],
        ['ids with a gap', { tetris_deploy_first_invoker: 0 }, /is 3: give each host its own, 0 to 0 without a gap/],
        ['a Node that is not there', { tetris_deploy_node: '/nowhere' }, /no Node 20.19 or later at \/nowhere/],
      ])('say what to change: %s', (_name, variables, message) => {
        const sound = { tetris_deploy_first_invoker: 3, tetris_deploy_node: process.execPath };
        const facts = { ansible_facts: { system: 'Linux', service_mgr: 'systemd', memtotal_mb: 1024 } };
        expect(preflight({ ...sound, ...facts, ...variables })).toMatch(message);
      });
    });

    const openwhisk = (variable: string, files: readonly string[], extra: Record<string, unknown> = {}): unknown =>
      openwhiskVariable(variable, files, extra, folder);
    const CONTAINER = 'CONFIG_whisk_containerFactory_containerArgs_';

    it('give containers of stock invokers (L1) the model folders that the daemon has, and tell the runtime of them', () => {
      const extra = { tetris_deploy_model_roots: ['/srv/models', '/data'], tetris_l1_more: { OTHER: 'x' } };
      expect(openwhisk('invoker_extraEnv', ['l1.yml'], extra)).toEqual({
        [`${CONTAINER}extraArgs_capDrop_0`]: 'NET_RAW',
        [`${CONTAINER}extraArgs_capDrop_1`]: 'NET_ADMIN',
        [`${CONTAINER}extraArgs_capDrop_2`]: 'DAC_OVERRIDE',
        [`${CONTAINER}extraArgs_volume_0`]: '/var/lib/tetris/store/views:/tetris/views:ro',
        [`${CONTAINER}extraArgs_volume_1`]: '/run/tetris/instance:/run/tetris:ro',
        [`${CONTAINER}extraArgs_volume_2`]: '/srv/models:/srv/models:ro',
        [`${CONTAINER}extraArgs_volume_3`]: '/data:/data:ro',
        [`${CONTAINER}extraEnvVars_1`]: 'TETRIS_RUNTIME_DAEMON_SOCKET=/run/tetris/daemon.sock',
        [`${CONTAINER}extraEnvVars_2`]: 'TETRIS_RUNTIME_VIEWS=/tetris/views',
        [`${CONTAINER}extraEnvVars_3`]: 'TETRIS_RUNTIME_MODEL_ROOTS=/srv/models,/data',
        OTHER: 'x',
      });
      expect(readConfig(DAEMON_CONFIG, settings('daemon', extra)).modelRoots).toEqual(['/srv/models', '/data']);
    });

    describe('by the documented commands', () => {
      const stock = (): string => join(folder, 'stock/ansible');
      beforeAll(() => {
        mkdirSync(join(stock(), 'environments/local'), { recursive: true });
        writeFileSync(join(stock(), 'environments/local/hosts'), 'localhost ansible_connection=local\n');
        // In place of OpenWhisk's own: they write down what they are given.
        const content = '{{ [manifest_file, invoker_extraEnv] | to_json }}';
        const task = { 'ansible.builtin.copy': { content, dest: join(folder, 'given.json') } };
        const play = JSON.stringify([{ hosts: 'localhost', gather_facts: false, tasks: [task] }]);
        for (const name of ['controller.yml', 'invoker.yml']) writeFileSync(join(stock(), name), play);
      });

      it.each([
        documented(
          'docs/operations.md',
          'ansible-playbook -i environments/$ENVIRONMENT controller.yml -e @$TETRIS/ansible/openwhisk/l1.yml',
        ),
        documented(
          'docs/operations.md',
          'ansible-playbook -i environments/$ENVIRONMENT invoker.yml -e @$TETRIS/ansible/openwhisk/l1.yml',
        ),
        documented(
          'docs/operations.md',
          'ansible-playbook -i environments/$ENVIRONMENT invoker.yml -e @$TETRIS/ansible/openwhisk/l2.yml',
        ),
        documented(
          'docs/operations.md',
          'ansible-playbook -i environments/$ENVIRONMENT controller.yml -e @$TETRIS/ansible/openwhisk/l2.yml',
        ),
      ])("reach OpenWhisk's own playbooks: %s", (command) => {
        const environment = {
          ENVIRONMENT: 'local',
          TETRIS: resolve(ANSIBLE, '..'),
          OPENWHISK_HOME: join(folder, 'stock'),
        };
        shell(`cd $OPENWHISK_HOME/ansible\n${command}`, environment);
        const given = JSON.parse(readFileSync(join(folder, 'given.json'), 'utf8')) as [string, Record<string, string>];
        expect(given[0]).toBe(join(ANSIBLE, 'runtimes.json'));
        const key = command.includes('l2.yml') ? 'CONFIG_whisk_kafka_topics_prefix' : `${CONTAINER}extraArgs_volume_0`;
        expect(given[1]).toHaveProperty([key]);
      });
    });

    it('mount no model folder (L1) where there is none', () => {
      const rendered = openwhisk('invoker_extraEnv', ['l1.yml']) as Record<string, string>;
      expect(Object.keys(rendered).filter((key) => key.includes('_volume_'))).toHaveLength(2);
      expect(rendered[`${CONTAINER}extraEnvVars_3`]).toBe('TETRIS_RUNTIME_MODEL_ROOTS=');
    });

    it('leave OpenWhisk (L2, new scheduler) as it comes but for the manifest, and lead the load balancers to its etcd', () => {
      const set = (variable: string): unknown => openwhisk(variable, ['l2-fpc.yml'], { tetris_manifest: '/manifest' });
      expect([set('manifest_file'), set('scheduler_enable')]).toEqual(['/manifest', true]);
      const spi = ['controller_loadbalancer', 'controller_entitlement', 'invokerReactive', 'invokerServer'];
      for (const name of [...spi.map((each) => `${each}_spi`), 'invoker_extraEnv', 'kafka_topics_prefix']) {
        expect(set(name)).toMatch(/NOT DEFINED/);
      }
      const etcd = ['10.0.0.1:2379', '10.0.0.2:2379'];
      const variables = { tetris_balancer_front_ends: ['fpc'], tetris_deploy_etcd_hosts: etcd };
      const written = readConfig(balancerConfig, settings('balancer', variables));
      expect(written).toMatchObject({
        frontEnds: ['fpc'],
        etcdHosts: etcd,
        controllerPrefix: '',
        firstVirtualInvoker: 1,
      });
      const moving = settings('balancer', { ...variables, tetris_balancer_front_ends: ['sharding', 'fpc'] });
      expect(readConfig(balancerConfig, moving).frontEnds).toEqual(['sharding', 'fpc']);
    });

    it('write lists, flags and JSON so that they are read as they were meant', () => {
      const config = readConfig(
        invokerConfig,
        settings('invoker', {
          tetris_deploy_model_roots: ['/models', '/more=/srv/more'],
          tetris_invoker_docker_read_only_root: true,
          tetris_invoker_docker_extra_args: '{"dns": ["10.0.0.2"]}',
          tetris_invoker_docker_user: '',
        }),
      );
      expect(config).toMatchObject({
        modelRoots: ['/models', '/more=/srv/more'],
        dockerReadOnlyRoot: true,
        dockerExtraArgs: '{"dns": ["10.0.0.2"]}',
        dockerUser: '1000:1000',
      });
    });

    it("bad call: a misspelt variable is the component's to refuse", () => {
      const wrong = settings('daemon', { tetris_daemon_sokcet_path: '/run/x' });
      expect(() => readConfig(DAEMON_CONFIG, wrong)).toThrow(/TETRIS_DAEMON_SOKCET_PATH: no such key/);
    });

    it('add the kind to the manifest once, and leave the rest of it alone', () => {
      const files = join(folder, 'openwhisk/ansible/files');
      mkdirSync(files, { recursive: true });
      const stock = {
        runtimes: { nodejs: [{ kind: 'nodejs:20', default: true }], python: [{ kind: 'python:3', default: true }] },
        blackboxes: [{ name: 'dockerskeleton' }],
      };
      const result = join(files, 'runtimes.json');
      writeFileSync(result, JSON.stringify(stock));
      const command = documented('docs/operations.md', 'ansible-playbook runtimes-manifest.yml');
      for (let times = 0; times < 2; times += 1) {
        shell(command.replace('$PWD/runtimes.json', result), { OPENWHISK_HOME: join(folder, 'openwhisk') });
      }
      const manifest = JSON.parse(readFileSync(result, 'utf8')) as typeof stock;
      expect(manifest.runtimes.nodejs).toEqual([
        { kind: 'nodejs:20', default: true },
        {
          kind: 'nodejs:tetris',
          default: false,
          deprecated: false,
          image: { prefix: 'tetris', name: 'action-nodejs-tetris', tag: '0.1.0' },
          attached: { attachmentName: 'codefile', attachmentType: 'text/plain' },
        },
      ]);
      expect({ ...manifest, runtimes: { ...manifest.runtimes, nodejs: stock.runtimes.nodejs } }).toEqual(stock);
    });
  });
}
