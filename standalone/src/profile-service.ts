/** The profiling service of the platform: a process of its own, started when somebody asks for it or a job is unfinished. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { endProcess, type Logger, PluginError } from '@tetris/common';
import type { Environment, StandaloneConfig } from './config';

export interface ProfileServiceOptions {
  config: Pick<
    StandaloneConfig,
    'dataPath' | 'profilePath' | 'models' | 'logLevel' | 'startTimeoutMs' | 'stopTimeoutMs'
  >;
  env: Environment;
  /** Private folder of the platform. */
  privatePath: string;
  /** OpenWhisk's API and a key for it, to take models out of actions. */
  apiHost: () => string;
  apiKey: string;
  log: Logger;
}

/** Settings of this platform, which the one that measures must not take for its own. */
const OWN_SETTING = /^TETRIS_(?:STANDALONE|INVOKER|DAEMON|BALANCER)_/;

const UNFINISHED = /"state":"(?:queued|running)"/;

export class ProfileService {
  readonly #options: ProfileServiceOptions;
  readonly #socketPath: string;
  #child: ChildProcess | undefined;
  #starting: Promise<string> | undefined;
  #stopped = false;

  constructor(options: ProfileServiceOptions) {
    this.#options = options;
    this.#socketPath = join(options.privatePath, 'p.sock');
  }

  /** Where it listens. Starts it where it does not run. @throws PluginError `ERR_NO_CAPACITY` where it does not start */
  async address(): Promise<string> {
    if (this.#stopped) throw new PluginError('ERR_NO_CAPACITY', 'the platform stops');
    this.#starting ??= this.#start();
    try {
      return await this.#starting;
    } catch (error) {
      this.#starting = undefined;
      throw error;
    }
  }

  /** Starts it where a job of an earlier run is not finished. */
  async resume(): Promise<void> {
    if (this.#isUnfinished()) await this.address();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#starting?.catch(() => undefined);
    if (this.#child !== undefined) await endProcess(this.#child, 'SIGTERM', this.#options.config.stopTimeoutMs);
  }

  async #start(): Promise<string> {
    const { config, log } = this.#options;
    const { startTimeoutMs } = config;
    const child = spawn(process.execPath, [require.resolve('@tetris/profiler/dist/service-main.js')], {
      env: this.#environment(),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    });
    this.#child = child;
    child.on('error', (error) => log.error({ err: error }, 'profiling service'));
    child.once('exit', () => {
      this.#child = undefined;
      this.#starting = undefined;
    });
    const late = AbortSignal.timeout(startTimeoutMs);
    try {
      await Promise.race([
        once(child, 'message', { signal: late }),
        once(child, 'exit', { signal: late }).then(() => {
          throw new PluginError('ERR_NO_CAPACITY', 'the profiling service did not start; its message is above');
        }),
      ]);
    } catch (error) {
      // Nobody would know of it any more.
      child.kill('SIGKILL');
      throw error;
    }
    return this.#socketPath;
  }

  get #jobsPath(): string {
    const { config, privatePath } = this.#options;
    return join(config.dataPath || config.profilePath || privatePath, 'profile-jobs');
  }

  #environment(): Record<string, string | undefined> {
    const { config, env, privatePath, apiHost, apiKey } = this.#options;
    const { dataPath, profilePath } = config;
    const archive =
      dataPath === '' ? { TETRIS_PROFILE_ARCHIVE_PATH: profilePath || join(privatePath, 'profiles') } : {};
    return {
      ...Object.fromEntries(Object.entries(env).filter(([name]) => !OWN_SETTING.test(name))),
      ...archive,
      ...(dataPath === '' ? {} : { TETRIS_PROFILE_DATA_PATH: dataPath }),
      TETRIS_PROFILE_JOBS_PATH: this.#jobsPath,
      TETRIS_PROFILE_SOCKET_PATH: this.#socketPath,
      TETRIS_PROFILE_MODEL_ROOTS: config.models.join(','),
      TETRIS_PROFILE_API_HOST: apiHost(),
      TETRIS_PROFILE_API_KEY: apiKey,
      TETRIS_PROFILE_LOG_LEVEL: config.logLevel,
    };
  }

  #isUnfinished(): boolean {
    try {
      const names = readdirSync(this.#jobsPath).filter((name) => name.endsWith('.json'));
      return names.some((name) => UNFINISHED.test(readFileSync(join(this.#jobsPath, name), 'utf8')));
    } catch {
      return false;
    }
  }
}
