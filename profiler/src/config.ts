import { configSchema, key } from '@tetris/common';

/** Component `profile`: `TETRIS_PROFILE_*`; the flags of `tetris-profile` win over the environment. */
export const PROFILE_CONFIG = configSchema('profile', {
  archivePath: key.text('', 'path', 'Folder that keeps profiles. Empty: .cache/tetris-profiles in the home folder.'),
  dataPath: key.text('', 'path', 'Data folder of a standalone platform that keeps them instead.'),
  storeUrl: key.text('', 'URL', 'CouchDB of a cluster that keeps them instead, credentials included.'),
  storePrefix: key.text('whisk_local_', 'text', "Prefix of the databases' names; Ansible's db_prefix."),
});

export type ProfileConfig = ReturnType<(typeof PROFILE_CONFIG)['schema']['parse']>;

/** This process's environment. */
export const environment = (): NodeJS.ProcessEnv => process.env;
