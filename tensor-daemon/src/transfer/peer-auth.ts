/**
 * Who may ask a peer, and whose answers count, where peers share a secret. Each request is signed over its method,
 * path, range, time and a nonce; each answer that says what a model consists of is signed over that nonce and its own
 * text. The secret itself never travels. With mutual TLS the certificates say the same, and signatures are optional.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Header of both: `<epoch ms>.<nonce>.<signature>` of a request, `<signature>` of an answer. */
export const SIGNATURE_HEADER = 'tetris-signature';

/** How far the clocks of two nodes may differ. */
const CLOCK_SKEW_MS_MAX = 60_000;

/** What a daemon shows to its peers and asks of them. */
export interface PeerCredentials {
  secret?: string;
  /** Own certificate and key, and the authority that both sides must be signed by. */
  tls?: { cert: Buffer; key: Buffer; ca: Buffer };
}

export interface SignedRequest {
  method: string;
  path: string;
  /** The `range` header, empty where there is none. */
  range: string;
}

function sign(secret: string, ...parts: readonly string[]): string {
  return createHmac('sha256', secret).update(parts.join('\n')).digest('hex');
}

function same(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** @returns the header, and the nonce under which an answer must be signed */
export function signRequest(
  secret: string,
  { method, path, range }: SignedRequest,
  nowMs: number,
): { header: string; nonce: string } {
  const nonce = randomBytes(16).toString('hex');
  return { header: `${nowMs}.${nonce}.${sign(secret, 'request', method, path, range, String(nowMs), nonce)}`, nonce };
}

/** @returns the request's nonce; undefined where whoever asks does not know the secret, or asked too long ago */
export function checkRequest(
  secret: string,
  { method, path, range }: SignedRequest,
  header: string,
  nowMs: number,
): string | undefined {
  const [time = '', nonce = '', signature = ''] = header.split('.');
  if (!(Math.abs(nowMs - Number(time)) <= CLOCK_SKEW_MS_MAX)) return undefined;
  return same(signature, sign(secret, 'request', method, path, range, time, nonce)) ? nonce : undefined;
}

export function signAnswer(secret: string, nonce: string, text: string): string {
  return sign(secret, 'answer', nonce, text);
}

export function checkAnswer(secret: string, nonce: string, text: string, header: string): boolean {
  return same(header, signAnswer(secret, nonce, text));
}
