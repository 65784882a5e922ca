import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** An authority, and a certificate for this machine's loopback address. @returns keys of the daemon's configuration */
export function nodeCertificate(
  folder: string,
): Record<'peerTlsCertPath' | 'peerTlsKeyPath' | 'peerTlsCaPath', string> {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  writeFileSync(join(folder, 'san'), 'subjectAltName=IP:127.0.0.1');
  openssl('req', '-x509', ...KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=authority');
  openssl('req', ...KEY, '-keyout', 'node.key', '-out', 'node.csr', '-subj', '/CN=node');
  const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
  openssl('x509', '-req', '-in', 'node.csr', ...signer, '-days', '2', '-extfile', 'san', '-out', 'node.pem');
  return {
    peerTlsCertPath: join(folder, 'node.pem'),
    peerTlsKeyPath: join(folder, 'node.key'),
    peerTlsCaPath: join(folder, 'ca.pem'),
  };
}
