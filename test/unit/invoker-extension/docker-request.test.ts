import { parseModelRoot } from '../../../invoker-extension/src/sandboxes/container-paths';
import { readConfig, configSchema } from '@tetris/common';
import { DOCKER_KEYS, type DockerConfig } from '../../../invoker-extension/src/sandboxes/docker-config';
import { parseExtraArgs } from '../../../invoker-extension/src/sandboxes/docker-extra-args';
import {
  containerName,
  containerRequest,
  type RequestSettings,
} from '../../../invoker-extension/src/sandboxes/docker-request';

const MIB = 1024 ** 2;
const SPEC = {
  name: '7_guest_classify',
  kind: 'nodejs:tetris',
  memoryBytes: 256 * MIB,
  instance: 'token-0123456789abcdef',
  viewPath: '/dev/shm/tetris/views/token-0123456789abcdef',
  env: { __OW_API_HOST: 'http://edge:80' },
};

function configOf(env: Record<string, string> = {}): DockerConfig {
  return readConfig(configSchema('invoker', DOCKER_KEYS), env);
}

function settings(change: Partial<RequestSettings> = {}): RequestSettings {
  return {
    config: configOf(),
    extraArgs: {},
    invoker: '0',
    userMemoryBytes: 2048 * MIB,
    daemonSocketPath: '/run/tetris/instance/daemon.sock',
    modelRoots: [{ inside: '/models', outside: '/srv/models' }],
    ...change,
  };
}

describe('containerRequest', () => {
  it("has the stock invoker's limits when nothing else is configured", () => {
    expect(containerRequest(SPEC, settings())).toMatchObject({
      name: 'wsktetris0_7_guest_classify',
      Image: 'tetris/action-nodejs-tetris:latest',
      HostConfig: {
        Memory: 256 * MIB,
        MemorySwap: 256 * MIB,
        CpuShares: 128,
        PidsLimit: 1024,
        NetworkMode: 'bridge',
        CapDrop: ['NET_RAW', 'NET_ADMIN'],
        Ulimits: [{ Name: 'nofile', Soft: 1024, Hard: 1024 }],
        LogConfig: { Type: 'json-file' },
      },
    });
  });

  it('confines further than the stock invoker: own user, no new privileges, an init process', () => {
    expect(containerRequest(SPEC, settings())).toMatchObject({
      User: '1000:1000',
      Labels: { 'tetris.invoker': '0', 'tetris.instance': SPEC.instance },
      HostConfig: { SecurityOpt: ['no-new-privileges'], Init: true },
    });
  });

  it('mounts its own view, the folder of the instance socket and the model roots, all read-only', () => {
    expect(containerRequest(SPEC, settings()).HostConfig.Mounts).toEqual([
      { Type: 'bind', Source: SPEC.viewPath, Target: `/tetris/views/${SPEC.instance}`, ReadOnly: true },
      { Type: 'bind', Source: '/run/tetris/instance', Target: '/run/tetris', ReadOnly: true },
      { Type: 'bind', Source: '/srv/models', Target: '/models', ReadOnly: true },
    ]);
  });

  it('tells the runtime where things are inside', () => {
    const { Env } = containerRequest(SPEC, settings());
    expect(Env).toEqual(
      expect.arrayContaining([
        'TETRIS_RUNTIME_LISTEN=8080',
        'TETRIS_RUNTIME_DAEMON_SOCKET=/run/tetris/daemon.sock',
        'TETRIS_RUNTIME_VIEWS=/tetris/views',
        'TETRIS_RUNTIME_MODEL_ROOTS=/models',
        '__OW_API_HOST=http://edge:80',
      ]),
    );
  });

  it('names no daemon when there is none', () => {
    const { name, kind, memoryBytes, instance, env } = SPEC;
    const spec = { name, kind, memoryBytes, instance, env };
    const request = containerRequest(spec, settings({ daemonSocketPath: undefined, modelRoots: [] }));
    expect(request.HostConfig.Mounts).toEqual([]);
    expect(request.Env?.join()).not.toContain('TETRIS_RUNTIME_DAEMON_SOCKET');
  });

  it('gives at least two CPU shares, and a hard limit only where one is asked for', () => {
    const { HostConfig } = containerRequest({ ...SPEC, memoryBytes: MIB, cpus: 1.5 }, settings());
    expect(HostConfig).toMatchObject({ CpuShares: 2, NanoCpus: 1.5e9 });
    expect(containerRequest(SPEC, settings()).HostConfig.NanoCpus).toBeUndefined();
  });

  it('makes /tmp a bounded memory file system when the root is read-only', () => {
    const config = configOf({
      TETRIS_INVOKER_DOCKER_READ_ONLY_ROOT: 'true',
      TETRIS_INVOKER_DOCKER_TMP_BYTES_MAX: '1m',
    });
    const { HostConfig } = containerRequest(SPEC, settings({ config }));
    expect(HostConfig.ReadonlyRootfs).toBe(true);
    expect(HostConfig.Tmpfs?.['/tmp']).toContain(`size=${MIB}`);
  });

  it("takes the image's own user when asked to", () => {
    const config = configOf({ TETRIS_INVOKER_DOCKER_USER: 'image' });
    expect(containerRequest(SPEC, settings({ config }))).not.toHaveProperty('User');
  });

  it('lets an extra argument replace a built-in one entirely', () => {
    const extraArgs = parseExtraArgs(
      '{"ulimit":["core=0"],"memory":["1g"],"dns":["10.0.0.2","10.0.0.3"],"cap-drop":["ALL"]}',
    );
    expect(containerRequest(SPEC, settings({ extraArgs })).HostConfig).toMatchObject({
      Ulimits: [{ Name: 'core', Soft: 0, Hard: 0 }],
      Memory: 1024 * MIB,
      Dns: ['10.0.0.2', '10.0.0.3'],
      CapDrop: ['ALL'],
    });
  });

  it('sets the options of an extra log driver whatever the order they are written in', () => {
    const extraArgs = parseExtraArgs('{"log-opt":["tag=x"],"log-driver":["local"]}');
    const { LogConfig } = containerRequest(SPEC, settings({ extraArgs })).HostConfig;
    expect(LogConfig).toEqual({ Type: 'local', Config: { tag: 'x' } });
  });
});

describe('parseExtraArgs', () => {
  it.each([
    ['{"frobnicate":["1"]}', /no such option: frobnicate/],
    ['{"constructor":["1"]}', /no such option: constructor/],
    ['{"dns":"10.0.0.2"}', /no JSON object of lists/],
    ['{"dns":[]}', /no JSON object of lists/],
    ['nonsense', /no JSON object of lists/],
    ['{"memory":["lots"]}', /memory 'lots' is no size/],
    ['{"cpus":["-1"]}', /cpus '-1' is no positive number/],
    ['{"ulimit":["nofile"]}', /ulimit 'nofile' is not of the form/],
  ])('bad call: %s', (json, text) => {
    expect(() => parseExtraArgs(json)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    expect(() => parseExtraArgs(json)).toThrow(text);
  });
});

describe('parseModelRoot', () => {
  it('takes a folder that is the same inside and outside, and a pair', () => {
    expect(parseModelRoot('/srv/models')).toEqual({ inside: '/srv/models', outside: '/srv/models' });
    expect(parseModelRoot('/models=/srv/models')).toEqual({ inside: '/models', outside: '/srv/models' });
  });
});

describe('containerName', () => {
  it('keeps only the characters that an engine allows', () => {
    expect(containerName('a b', '1_gué st/x@y')).toBe('wsktetrisab_1_gustxy');
  });

  it('is bounded', () => {
    expect(containerName('0', 'x'.repeat(5000))).toHaveLength(200);
  });
});
