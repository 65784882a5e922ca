import { key } from '@tetris/common';

/**
 * The keys of the Docker factory; part of the invoker's schema. Each default is the stock invoker's where it has one.
 */
export const DOCKER_KEYS = {
  dockerSocketPath: key.text('/var/run/docker.sock', 'path', "The Docker engine's Unix socket."),
  dockerImage: key.text(
    'tetris/action-nodejs-tetris:latest',
    'text',
    'Image of every kind served. It is never pulled.',
  ),
  dockerNetwork: key.text('bridge', 'text', 'Network of the containers; the invoker must reach their addresses on it.'),
  dockerUser: key.text('1000:1000', 'text', 'User and group of the containers; `image`: the one that the image names.'),
  dockerPidsMax: key.integer(1024, 'count', 'Processes and threads a container may have. A runtime needs some 30.', {
    min: 64,
  }),
  dockerReadOnlyRoot: key.flag(
    false,
    'Read-only root file system; /tmp is then memory, counts against the action, and is bounded by dockerTmpBytesMax.',
  ),
  dockerTmpBytesMax: key.bytes('256m', 'Size of /tmp where the root file system is read-only.'),
  dockerLogDriver: key.text('json-file', 'text', 'Log driver; one that the engine can read back, or logs are lost.'),
  dockerLogOptions: key.list(['max-size=16m', 'max-file=2'], 'NAME=value', 'Options of the log driver.'),
  dockerExtraArgs: key.text(
    '{}',
    'JSON',
    'Further `docker run` options as for the stock invoker: long names without dashes to lists of values, such as {"dns":["10.0.0.2"]}. One that is set already is replaced.',
  ),
  dockerExtraEnv: key.list([], 'NAME=value', 'Further environment of every container.'),
  dockerParallelCreates: key.integer(10, 'count', 'Containers that are started at the same time.', { min: 1 }),
  dockerCreatesWaitingMax: key.integer(1000, 'count', 'Starts that may wait for their turn; more are refused.'),
  dockerCallTimeoutMs: key.integer(60_000, 'ms', 'Longest wait for one call to the engine.', { min: 1000 }),
};

/** The parsed keys. */
export interface DockerConfig {
  dockerSocketPath: string;
  dockerImage: string;
  dockerNetwork: string;
  dockerUser: string;
  dockerPidsMax: number;
  dockerReadOnlyRoot: boolean;
  dockerTmpBytesMax: number;
  dockerLogDriver: string;
  dockerLogOptions: readonly string[];
  dockerExtraArgs: string;
  dockerExtraEnv: readonly string[];
  dockerParallelCreates: number;
  dockerCreatesWaitingMax: number;
  dockerCallTimeoutMs: number;
}
