/** A broker's listener that asks for a certificate and a user, with an authority of its own. Made by openssl. */
import { execFile } from 'node:child_process';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface SecureListener {
  /** `127.0.0.1:port`. */
  readonly broker: string;
  /** PEM files: of the authority, and a client's certificate and key. */
  readonly caPath: string;
  readonly certPath: string;
  readonly keyPath: string;
  /** Of SASL's mechanism PLAIN. */
  readonly user: string;
  readonly password: string;
  /** PEM file with the broker's key and certificate. */
  readonly brokerPath: string;
}

const openssl = (args: string[]): Promise<{ stdout: string }> => promisify(execFile)('openssl', args);
const DAYS = '2';

export async function makeSecureListener(port: number, folder: string): Promise<SecureListener> {
  const at = (name: string): string => join(folder, name);
  await writeFile(at('san.cnf'), 'subjectAltName=IP:127.0.0.1');
  const authority = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=tetris-test-authority'];
  await openssl([...authority, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', DAYS]);
  for (const name of ['broker', 'client']) {
    const request = ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=tetris-test-${name}`];
    await openssl([...request, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`)]);
    const signed = ['x509', '-req', '-in', at(`${name}.csr`), '-CA', at('ca.pem'), '-CAkey', at('ca.key')];
    const options = ['-CAcreateserial', '-days', DAYS, '-extfile', at('san.cnf')];
    const { stdout } = await openssl([...signed, ...options]);
    await writeFile(at(`${name}.pem`), stdout);
  }
  const { stdout: key } = await openssl(['pkcs8', '-topk8', '-nocrypt', '-in', at('broker.key')]);
  await appendFile(at('broker.pem'), key);
  return {
    broker: `127.0.0.1:${port}`,
    caPath: at('ca.pem'),
    certPath: at('client.pem'),
    keyPath: at('client.key'),
    user: 'tetris',
    password: 'for-tests-only',
    brokerPath: at('broker.pem'),
  };
}

/** Of the listener SECURE. */
export const secureProperties = ({ brokerPath, caPath, user, password }: SecureListener): string => `
ssl.keystore.type=PEM
ssl.keystore.location=${brokerPath}
ssl.truststore.type=PEM
ssl.truststore.location=${caPath}
listener.name.secure.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_${user}="${password}";
`;
