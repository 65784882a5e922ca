import { configSchema, key } from '@tetris/common';

/** Component `profile`: `TETRIS_PROFILE_*`; the flags of `tetris-profile` win over the environment. */
export const PROFILE_CONFIG = configSchema('profile', {
  archivePath: key.text('', 'path', 'Folder that keeps profiles. Empty: .cache/tetris-profiles in the home folder.'),
  dataPath: key.text('', 'path', 'Data folder of a standalone platform that keeps them instead.'),
  storeUrl: key.text('', 'URL', 'CouchDB of a cluster that keeps them instead, credentials included.'),
  storePrefix: key.text('whisk_local_', 'text', "Prefix of the databases' names; Ansible's db_prefix."),
  jobsPath: key.text(
    '',
    'path',
    'Service: folder of its jobs and of uploaded models, of this service alone. Empty: profile-jobs in the data folder, or where profiles are kept.',
  ),
  host: key.text(
    '127.0.0.1',
    'address',
    'Service: address that it listens on. It asks nobody who they are: keep it behind the load balancer, whose page does.',
  ),
  port: key.integer(8091, 'port', 'Service: port; 0 takes a free one.', { max: 65_535 }),
  socketPath: key.text('', 'path', 'Service: Unix socket that it listens on instead.'),
  modelRoots: key.list([], 'paths', 'Service: model folders; models below them may be named by path.'),
  uploadBytesMax: key.bytes('2g', 'Service: largest model that may be uploaded.'),
  keptBytesMax: key.bytes('8g', 'Service: uploaded models that are kept; the oldest leave.'),
  jobsMax: key.integer(100, 'count', 'Service: jobs that are kept, those that are over included.', { min: 1 }),
  timeoutMs: key.integer(120_000, 'ms', 'Service: longest time for one configuration.', { min: 1_000 }),
  apiHost: key.text('', 'URL', 'Service: OpenWhisk that is asked for actions by name. Empty: none.'),
  apiKey: key.text('', 'uuid:secret', 'Service: key that it is asked with.'),
  logLevel: key.oneOf(
    ['silent', 'error', 'warn', 'info', 'debug'],
    'warn',
    'Service: least severe level that is logged.',
  ),
});

export type ProfileConfig = ReturnType<(typeof PROFILE_CONFIG)['schema']['parse']>;

/** This process's environment. */
export const environment = (): NodeJS.ProcessEnv => process.env;
