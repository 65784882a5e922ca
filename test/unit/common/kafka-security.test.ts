import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema, KAFKA_SECURITY_KEYS, kafkaSecurity, type KafkaSecurity, readConfig } from '@tetris/common';

const schema = configSchema('balancer', KAFKA_SECURITY_KEYS);
const securityOf = (env: Record<string, string>): KafkaSecurity =>
  kafkaSecurity(
    readConfig(
      schema,
      Object.fromEntries(Object.entries(env).map(([name, value]) => [`TETRIS_BALANCER_KAFKA_${name}`, value])),
    ),
  );

describe('kafkaSecurity', () => {
  let folder: string;
  let pem: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tetris-pem-'));
    pem = join(folder, 'one.pem');
    writeFileSync(pem, 'PEM');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is nothing where nothing is configured', () => {
    expect(securityOf({})).toEqual({});
  });

  it("trusts the system's authorities where TLS is all that is said", () => {
    expect(securityOf({ TLS: 'true' })).toEqual({ tls: {} });
  });

  it('reads the files that are named', () => {
    const env = { TLS: 'true', TLS_CA_PATH: pem, TLS_CERT_PATH: pem, TLS_KEY_PATH: pem };
    expect(securityOf(env)).toEqual({ tls: { ca: 'PEM', cert: 'PEM', key: 'PEM' } });
  });

  it('names a user beside TLS, and with SCRAM without', () => {
    const user = { SASL_USER: 'tetris', SASL_PASSWORD: 'secret' };
    const sasl = { username: 'tetris', password: 'secret' };
    expect(securityOf({ TLS: 'yes', SASL_MECHANISM: 'plain', ...user })).toEqual({
      tls: {},
      sasl: { mechanism: 'plain', ...sasl },
    });
    expect(securityOf({ SASL_MECHANISM: 'scram-sha-512', ...user })).toEqual({
      sasl: { mechanism: 'scram-sha-512', ...sasl },
    });
  });

  it.each([
    ['a file without TLS', { TLS_CA_PATH: '/etc/hosts' }, /kafkaTls is off/],
    ['a certificate without its key', { TLS: 'true', TLS_CERT_PATH: '/etc/hosts' }, /go together/],
    ['a file that is not there', { TLS: 'true', TLS_CA_PATH: '/nowhere/ca.pem' }, /nowhere/],
    ['a mechanism without a user', { SASL_MECHANISM: 'scram-sha-256' }, /needs kafkaSaslUser/],
    ['a user without a mechanism', { SASL_USER: 'tetris' }, /is none/],
    ['a readable password', { SASL_MECHANISM: 'plain', SASL_USER: 'u', SASL_PASSWORD: 'p' }, /turn kafkaTls on/],
    ['an unknown mechanism', { SASL_MECHANISM: 'gssapi' }, /SASL_MECHANISM/],
  ])('bad call: refuses %s', (_, env, message) => {
    expect(() => securityOf(env)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    expect(() => securityOf(env)).toThrow(message);
  });
});
