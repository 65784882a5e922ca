/**
 * OpenWhisk's scalar JSON forms. Source: `C/core/entity/Size.scala`, `C/common/TransactionId.scala`,
 * `C/core/entity/ActivationId.scala` of apache/openwhisk.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';

/** `[id, startMs]`, optionally with `true` (extra logging) and a parent. Echoed verbatim, never rebuilt. */
export const TransactionIdSchema = z.array(z.unknown());
export type TransactionId = readonly unknown[];

/** The request id within a transid; `sid_unknown` where the form is foreign, as the stock reader does. */
export function transactionIdOf(transid: TransactionId): string {
  return typeof transid[0] === 'string' ? transid[0] : 'sid_unknown';
}

/** The start, epoch ms, within a transid. `fallbackMs` where it has none. */
export function transactionStartMs(transid: TransactionId, fallbackMs: number): number {
  return typeof transid[1] === 'number' ? transid[1] : fallbackMs;
}

/** True when the transid asks for extra logging. */
export function hasExtraLogging(transid: TransactionId): boolean {
  return transid[2] === true;
}

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** A fresh transid: 32 alphanumeric characters and the start. */
export function newTransactionId(nowMs: number): [string, number] {
  let id = '';
  for (const byte of randomBytes(32)) id += ALPHANUMERIC[byte % ALPHANUMERIC.length];
  return [id, nowMs];
}

/** Exactly 32 lowercase hex characters. */
export const ActivationIdSchema = z.string().regex(/^[0-9a-f]{32}$/);

export function newActivationId(): string {
  return randomUUID().replaceAll('-', '');
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  k: 1024,
  kb: 1024,
  m: 1024 ** 2,
  mb: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1024 ** 3,
};

/** Reads OpenWhisk's ByteSize, such as `"2147483648 B"` or `"256 MB"`. Undefined where it is none. */
export function parseByteSize(text: string): number | undefined {
  const match = /^\s*(\d+)\s*(b|kb?|mb?|gb?)\s*$/i.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * (BYTE_UNITS[(match[2] ?? '').toLowerCase()] ?? 1);
}

/** Writes a ByteSize in bytes, the form that OpenWhisk itself uses for values out of its configuration. */
export function formatByteSize(bytes: number): string {
  return `${bytes} B`;
}

export const ByteSizeSchema = z.string().refine((text) => parseByteSize(text) !== undefined, 'not a ByteSize');
