/** How brokers are reached where they ask for TLS or a user: the keys that every component with a Kafka bus has. */
import { readFileSync } from 'node:fs';
import { key } from '../config';
import { errorMessage, PluginError } from '../errors';

/** PEM texts. An empty object means TLS with the system's certificate authorities. */
export interface KafkaTls {
  ca?: string;
  cert?: string;
  key?: string;
}

export interface KafkaSasl {
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  username: string;
  password: string;
}

export interface KafkaSecurity {
  tls?: KafkaTls;
  sasl?: KafkaSasl;
}

const MECHANISMS = ['none', 'plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** Part of a component's schema. Where a component knows two sets of brokers, they are reached alike. */
export const KAFKA_SECURITY_KEYS = {
  kafkaTls: key.flag(false, 'TLS to the brokers (SSL or SASL_SSL in their terms).'),
  kafkaTlsCaPath: key.text(
    '',
    'path',
    "PEM file of the authorities that signed the brokers' certificates. Empty: the system's.",
  ),
  kafkaTlsCertPath: key.text('', 'path', 'PEM file of our certificate, where brokers ask for one.'),
  kafkaTlsKeyPath: key.text('', 'path', 'PEM file of the key of kafkaTlsCertPath.'),
  kafkaSaslMechanism: key.oneOf(MECHANISMS, 'none', 'How we say who we are; plain only together with kafkaTls.'),
  kafkaSaslUser: key.text('', 'text', 'User of kafkaSaslMechanism.'),
  kafkaSaslPassword: key.text('', 'text', 'Password of kafkaSaslUser.'),
};

/** The parsed keys. */
export interface KafkaSecurityConfig {
  kafkaTls: boolean;
  kafkaTlsCaPath: string;
  kafkaTlsCertPath: string;
  kafkaTlsKeyPath: string;
  kafkaSaslMechanism: (typeof MECHANISMS)[number];
  kafkaSaslUser: string;
  kafkaSaslPassword: string;
}

/**
 * What the keys mean for a bus; reads the files.
 * @throws PluginError `ERR_CONFIG_INVALID` for keys that contradict each other, and for a file that cannot be read
 */
export function kafkaSecurity(config: KafkaSecurityConfig): KafkaSecurity {
  return { ...tlsOf(config), ...saslOf(config) };
}

function tlsOf({ kafkaTls, kafkaTlsCaPath, kafkaTlsCertPath, kafkaTlsKeyPath }: KafkaSecurityConfig): KafkaSecurity {
  const paths = { ca: kafkaTlsCaPath, cert: kafkaTlsCertPath, key: kafkaTlsKeyPath };
  const given = Object.entries(paths).filter(([, path]) => path !== '');
  if (!kafkaTls) {
    if (given.length > 0) throw invalid('kafkaTls is off, but there are certificate files');
    return {};
  }
  if ((paths.cert === '') !== (paths.key === '')) throw invalid('kafkaTlsCertPath and kafkaTlsKeyPath go together');
  return { tls: Object.fromEntries(given.map(([name, path]) => [name, readPem(path)])) };
}

function saslOf(config: KafkaSecurityConfig): KafkaSecurity {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUser: username, kafkaSaslPassword: password } = config;
  if (mechanism === 'none') {
    if (username !== '') throw invalid('there is a kafkaSaslUser, but kafkaSaslMechanism is none');
    return {};
  }
  if (username === '' || password === '') throw invalid(`${mechanism} needs kafkaSaslUser and kafkaSaslPassword`);
  if (mechanism === 'plain' && !config.kafkaTls)
    throw invalid('plain would send the password readably: turn kafkaTls on');
  return { sasl: { mechanism, username, password } };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(errorMessage(error));
  }
}

const invalid = (text: string): PluginError =>
  new PluginError('ERR_CONFIG_INVALID', `security of the brokers: ${text}`);
