import { Redis } from 'ioredis';
import { errorMessage, PluginError } from '../errors';
import { pauseMs } from '../flow/backoff';
import type { Logger } from '../log';

const RECONNECT = { firstMs: 100, maxMs: 2_000 };

/**
 * A connection that comes back by itself and never makes anyone wait for it: without Redis, commands fail at once.
 * @param commandTimeoutMs bound of each command
 */
export function connectRedis(url: string, commandTimeoutMs: number, log: Logger): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: commandTimeoutMs,
    connectTimeout: commandTimeoutMs,
    retryStrategy: (times) => pauseMs(RECONNECT, times),
  });
  redis.on('error', (error: Error) => log.debug({ reason: errorMessage(error) }, 'redis connection'));
  redis.on('close', () => log.debug('redis connection closed'));
  return redis;
}

/**
 * A connection whose calls fail with the plugin's error. Only the first ones wait, for the first connection to be made.
 */
export class RedisLink {
  readonly redis: Redis;
  readonly #first: Promise<void>;

  constructor(url: string, commandTimeoutMs: number, log: Logger) {
    this.redis = connectRedis(url, commandTimeoutMs, log);
    this.#first = readyOrLater(this.redis, commandTimeoutMs);
  }

  /** @throws PluginError `ERR_STORE_UNAVAILABLE` (retriable) for whatever goes wrong inside */
  async call<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
    await this.#first;
    try {
      return await use(this.redis);
    } catch (error) {
      const text = `registry: ${errorMessage(error)}`;
      throw new PluginError('ERR_STORE_UNAVAILABLE', text, { retriable: true, cause: error });
    }
  }
}

/** Resolves when the connection can be used, or after `timeoutMs` without one: Redis may be away for now. */
async function readyOrLater(redis: Redis, timeoutMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      redis.off('ready', done);
      redis.off('end', done);
      resolve();
    };
    const timer = setTimeout(done, timeoutMs);
    redis.once('ready', done);
    redis.once('end', done);
  });
}

/** The replies of a pipeline or transaction; the first failed command's error is thrown. */
export function replies(results: [Error | null, unknown][] | null): unknown[] {
  if (results === null) throw new Error('the transaction was discarded');
  return results.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}
