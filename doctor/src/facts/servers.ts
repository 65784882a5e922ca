/** What the cluster's servers tell. */
import { createLogger, type KafkaSecurity } from '@tetris/common';
import { RedisRegistry } from '@tetris/common/redis';
import { ConfigResourceTypes, Kafka, logLevel, type SASLOptions } from 'kafkajs';
import type { RegistryView } from '../facts';

const TIMEOUT_MS = 5_000;
/** Statuses are there at once, or soon after the connection. */
const STATUS_WAIT_MS = 500;

/** Longest message of every topic, bytes. */
export async function topicSizes(
  brokers: readonly string[],
  { tls, sasl }: KafkaSecurity,
): Promise<Map<string, number>> {
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId: 'tetris-doctor',
    logLevel: logLevel.NOTHING,
    connectionTimeout: TIMEOUT_MS,
    requestTimeout: TIMEOUT_MS,
    retry: { retries: 0 },
    ...(tls !== undefined && { ssl: { ...tls } }),
    ...(sasl !== undefined && { sasl: sasl as SASLOptions }),
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const names = await admin.listTopics();
    if (names.length === 0) return new Map();
    const resources = names.map((name) => ({
      type: ConfigResourceTypes.TOPIC,
      name,
      configNames: ['max.message.bytes'],
    }));
    const described = await admin.describeConfigs({ resources, includeSynonyms: false });
    return new Map(
      described.resources.map(({ resourceName, configEntries }) => [
        resourceName,
        Number(configEntries.find(({ configName }) => configName === 'max.message.bytes')?.configValue ?? 0),
      ]),
    );
  } finally {
    await admin.disconnect();
  }
}

/** Clocks of the registry and of all nodes that publish there, against this machine's. */
export async function registryView(url: string): Promise<RegistryView> {
  const registry = new RedisRegistry({ url, commandTimeoutMs: TIMEOUT_MS }, createLogger('doctor', 'silent'));
  try {
    const aheadMs = (await registry.timeMs()) - Date.now();
    const nodesAheadMs = new Map<string, number>();
    await registry.watch({ status: ({ node, atMs }) => void nodesAheadMs.set(node, atMs - Date.now()) });
    await new Promise((resolve) => setTimeout(resolve, STATUS_WAIT_MS));
    return { aheadMs, nodesAheadMs };
  } finally {
    await registry.close();
  }
}

/** @param path that must be there. @throws Error for another status than 200 */
export async function httpAnswer(url: string, path: string): Promise<string> {
  const { origin, username, password } = new URL(url);
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  const headers = username === '' ? {} : { authorization: `Basic ${credentials}` };
  const reply = await fetch(new URL(path, origin), { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!reply.ok) throw new Error(`${origin}${path} answers ${reply.status}`);
  return reply.text();
}
