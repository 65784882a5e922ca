import { MESSAGE_BYTES_MAX, topicPrefixOf } from '@tetris/common';
import type { Facts } from '../facts';
import { type Answer, type CheckName, type Finding, skipped, well, wrong } from '../finding';
import { formatBytes } from '../format';

/** A status may be some seconds old when it is read. */
const AHEAD_MS_MAX = 2_000;
const BEHIND_MS_MAX = 5_000;

const TELL_SERVERS = 'no settings of a load balancer or invoker extension: --settings FOLDER names those of a node';

function reachable(check: CheckName, answer: Answer<unknown> | undefined, mend: string): Finding {
  if (answer === undefined) return skipped(check, TELL_SERVERS);
  return 'problem' in answer ? wrong(check, answer.problem, mend) : well(check, 'answers');
}

export const checkKafka = ({ topics }: Facts): Finding =>
  reachable('kafka', topics, 'see that the brokers run and that kafkaBrokers names addresses which they advertise');

export const checkRedis = ({ registry }: Facts): Finding =>
  reachable(
    'redis',
    registry,
    'start Redis, or mend redisUrl. Without it placement is blind, and restarts lose what is in flight',
  );

export const checkCouch = ({ couch }: Facts): Finding =>
  reachable('couch', couch, 'mend couchUrl, its credentials, or couchPrefix (db_prefix of OpenWhisk)');

export function checkEtcd({ etcd }: Facts): Finding {
  if (etcd === undefined) return skipped('etcd', 'only OpenWhisk with schedulers has one: --etcd HOST:PORT');
  for (const { host, answer } of etcd) {
    if ('problem' in answer) return wrong('etcd', `${host}: ${answer.problem}`, 'start it, or mend the address');
  }
  return well('etcd', `${etcd.map(({ host }) => host).join(', ')} answer`);
}

/** The prefixes of both sides, as the settings have them. */
function prefixes({ settings }: Facts): { controllers: string; invokers: string } | undefined {
  if (!('value' in settings)) return undefined;
  const { balancer, invoker } = settings.value;
  if (balancer !== undefined) {
    return { controllers: balancer.controllerPrefix, invokers: topicPrefixOf(balancer.invokerPrefix) };
  }
  return invoker === undefined ? undefined : { controllers: '', invokers: topicPrefixOf(invoker.topicPrefix) };
}

const PREFIX_VARIABLE = 'CONFIG_whisk_kafka_topics_prefix';

export function checkTopicPrefix(facts: Facts): Finding {
  const check = 'topic-prefix';
  const ours = prefixes(facts);
  if (ours === undefined || !('value' in facts.settings)) return skipped(check, TELL_SERVERS);
  const { controllers, invokers } = ours;
  const { balancer, invoker } = facts.settings.value;
  if (balancer !== undefined && controllers === invokers && balancer.invokerKafkaBrokers.length === 0) {
    const found = `both sides of the load balancer have the prefix '${invokers}'`;
    return wrong(
      check,
      found,
      'set TETRIS_BALANCER_INVOKER_PREFIX to another: the load balancer would read what it writes',
    );
  }
  const sides: [string, string | undefined, string, string][] = [
    [
      'the invoker extension',
      invoker === undefined ? undefined : topicPrefixOf(invoker.topicPrefix),
      invokers,
      'TETRIS_INVOKER_TOPIC_PREFIX',
    ],
    [
      'the controllers',
      prefixOf(facts.controller),
      controllers,
      `${PREFIX_VARIABLE} of controllers or TETRIS_BALANCER_CONTROLLER_PREFIX`,
    ],
    ['stock invokers', prefixOf(facts.stockInvoker), invokers, `${PREFIX_VARIABLE} of invokers (openwhisk/l2.yml)`],
  ];
  for (const [who, theirs, expected, variable] of sides) {
    if (theirs === undefined || theirs === expected) continue;
    return wrong(check, `${who} use the prefix '${theirs}', the load balancer '${expected}'`, `set ${variable} alike`);
  }
  return well(check, `controllers '${controllers}', invokers '${invokers}'`);
}

const prefixOf = (environment: Facts['controller']): string | undefined =>
  environment === undefined || 'problem' in environment ? undefined : (environment.value[PREFIX_VARIABLE] ?? '');

export function checkTopics(facts: Facts): Finding {
  const check = 'topics';
  const ours = prefixes(facts);
  const { topics } = facts;
  if (ours === undefined || topics === undefined || 'problem' in topics) return skipped(check, TELL_SERVERS);
  const sides = facts.settings && 'value' in facts.settings && facts.settings.value.balancer !== undefined;
  const wanted = [`${ours.invokers}health`, ...(sides ? [`${ours.controllers}health`] : [])];
  const lacking = wanted.filter((topic) => !topics.value.has(topic));
  if (lacking.length > 0) {
    const mend =
      "start the load balancer (the invokers' side) and a controller (its own): each makes its topics when it starts";
    return wrong(check, `no topic ${lacking.join(', ')}`, mend);
  }
  return well(check, `${topics.value.size} topics`);
}

export function checkTopicSize(facts: Facts): Finding {
  const check = 'topic-size';
  const { topics } = facts;
  const ours = prefixes(facts);
  if (ours === undefined || topics === undefined || 'problem' in topics) return skipped(check, TELL_SERVERS);
  const carrying = new RegExp(
    `^(?:${escaped(ours.controllers)}|${escaped(ours.invokers)})(?:invoker\\d+|completed\\w+)$`,
  );
  for (const [topic, bytes] of topics.value) {
    if (!carrying.test(topic) || bytes >= MESSAGE_BYTES_MAX) continue;
    const found = `${topic} takes ${formatBytes(bytes)}, an activation may have ${formatBytes(MESSAGE_BYTES_MAX)}`;
    return wrong(
      check,
      found,
      `raise it: kafka-configs --alter --topic ${topic} --add-config max.message.bytes=${MESSAGE_BYTES_MAX}`,
    );
  }
  return well(check, `at least ${formatBytes(MESSAGE_BYTES_MAX)}`);
}

const escaped = (text: string): string => text.replace(/[^\w]/g, '\\$&');

/** A topic is made by whoever reads it, so that topics tell which ids there have been. */
export function checkInvokerIds(facts: Facts): Finding {
  const check = 'invoker-ids';
  const { topics } = facts;
  const ours = prefixes(facts);
  if (ours === undefined || topics === undefined || 'problem' in topics) return skipped(check, TELL_SERVERS);
  const topic = new RegExp(`^${escaped(ours.invokers)}invoker(\\d+)$`);
  const ids = [...topics.value.keys()].flatMap((name) => topic.exec(name)?.[1] ?? []).map(Number);
  const missing = Array.from({ length: Math.max(-1, ...ids) + 1 }, (_, id) => id).filter((id) => !ids.includes(id));
  if (missing.length === 0) return well(check, `${ids.length} from 0 on`);
  const mend =
    'number invoker extensions (tetris_invoker_instance) and stock invokers (invoker_index_base) without a gap';
  return wrong(check, `no invoker has id ${missing.join(', ')}, though ${Math.max(...ids)} exists`, mend);
}

export function checkClock({ registry }: Facts): Finding {
  const check = 'clock';
  if (registry === undefined || 'problem' in registry) return skipped(check, TELL_SERVERS);
  const { aheadMs, nodesAheadMs } = registry.value;
  const mend = 'let all nodes keep time (chrony): objectives, deadlines and peers compare times of unlike machines';
  if (Math.abs(aheadMs) > AHEAD_MS_MAX) return wrong(check, `Redis is ${aheadMs} ms ahead of this machine`, mend);
  for (const [node, byMs] of nodesAheadMs) {
    if (byMs > AHEAD_MS_MAX || byMs < -BEHIND_MS_MAX)
      return wrong(check, `the clock of ${node} is off by ${byMs} ms`, mend);
  }
  return well(check, `${nodesAheadMs.size + 2} agree`);
}
