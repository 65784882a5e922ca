import { readFileSync } from 'node:fs';
import { errorMessage, PluginError } from '@tetris/common';
import type { PeerCredentials } from '../transfer/peer-auth';

/** Keys of the configuration that are about peers. */
export interface PeerConfig {
  peerListen: string;
  peers: readonly string[];
  peersAskedMax: number;
  peerSecretPath: string;
  peerTlsCertPath: string;
  peerTlsKeyPath: string;
  peerTlsCaPath: string;
  peerBytesPerSecondMax: number;
  peerParallelism: number;
  peerConnectionsMax: number;
  peerTimeoutMs: number;
  peerRetryMs: number;
}

/** Shortest secret taken. */
const SECRET_CHARS_MIN = 16;

/**
 * Reads secret and certificates.
 * @returns undefined where nothing is configured
 * @throws PluginError `ERR_CONFIG_INVALID` where there are peers and nothing to know them by
 */
export function readPeerCredentials(config: PeerConfig): PeerCredentials | undefined {
  const { peerListen, peers, peerSecretPath, peerTlsCertPath, peerTlsKeyPath, peerTlsCaPath } = config;
  const tlsPaths = [peerTlsCertPath, peerTlsKeyPath, peerTlsCaPath];
  const hasTls = tlsPaths.some((path) => path !== '');
  if (peerListen === '' && peers.length === 0 && peerSecretPath === '' && !hasTls) return undefined;
  if (hasTls && tlsPaths.includes(''))
    throw invalid('mutual TLS needs peerTlsCertPath, peerTlsKeyPath and peerTlsCaPath');
  if (!hasTls && peerSecretPath === '') throw invalid('peers need peerSecretPath, or certificates for mutual TLS');
  for (const peer of peers) {
    if (!isPeerUrl(peer, hasTls)) throw invalid(`peer '${peer}' is no ${hasTls ? 'https' : 'http'}:// URL`);
  }
  const secret = peerSecretPath === '' ? undefined : read(peerSecretPath).toString('utf8').trim();
  if (secret !== undefined && secret.length < SECRET_CHARS_MIN) {
    throw invalid(`the secret in ${peerSecretPath} has less than ${SECRET_CHARS_MIN} characters`);
  }
  return {
    ...(secret !== undefined && { secret }),
    ...(hasTls && { tls: { cert: read(peerTlsCertPath), key: read(peerTlsKeyPath), ca: read(peerTlsCaPath) } }),
  };
}

/** Whether a peer can be spoken to as this daemon speaks. */
export function isPeerUrl(text: string, tls: boolean): boolean {
  return URL.canParse(text) && new URL(text).protocol === (tls ? 'https:' : 'http:');
}

/** `host:port` of an address to listen at. @throws PluginError `ERR_CONFIG_INVALID` */
export function parseListen(text: string): { host: string; port: number } {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  const [, host, port] = match ?? [];
  if (host === undefined || Number(port) > 65_535) throw invalid(`peerListen '${text}' is not host:port`);
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw invalid(`${path} cannot be read: ${errorMessage(error)}`);
  }
}

function invalid(reason: string): PluginError {
  return new PluginError('ERR_CONFIG_INVALID', `peers: ${reason}`);
}
