/**
 * What a URL held when it was asked, and how its origin is asked whether it still does: by the validators that it gave
 * (RFC 9110, 8.8 and 13.1). Pure.
 */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { DigestSchema } from '@tetris/common';
import { z } from 'zod';
import type { Tenant } from '../tenant';

/** Entity tags that are asked for at a time: a request's headers have their limits. */
const ETAGS_MAX = 8;

/** What passes between daemons. Without a validator nobody can ask whether it still holds. */
const UrlRecordSchema = z
  .object({
    sha256: DigestSchema,
    bytes: z.number().int().min(0),
    etag: z
      .string()
      .max(512)
      .regex(/^(W\/)?"[\x21\x23-\x7e]*"$/)
      .optional(),
    lastModified: z
      .string()
      .max(64)
      .regex(/^[\x20-\x7e]+$/)
      .optional(),
    /** External data that it names, where it was read as a model. */
    locations: z.array(z.string().max(4096)).max(4096),
  })
  .refine(({ etag, lastModified }) => etag !== undefined || lastModified !== undefined);
export type UrlRecord = z.infer<typeof UrlRecordSchema>;

/** A record and the peer that sent it. */
export type PeerUrlRecord = UrlRecord & { peer: string };

/** What a URL holds: seen by this daemon, or reported by a peer and confirmed by the origin. */
export interface UrlContent {
  sha256: string;
  bytes: number;
  etag?: string | undefined;
  lastModified?: string | undefined;
  locations: string[];
  /** The peer that reported it, where it was not seen here. */
  peer?: string | undefined;
}

export interface CheckedContent extends UrlContent {
  /** When the origin was last asked. */
  checkedMs: number;
}

/**
 * The name under which what a URL held is known: what one tenant's fetch has shown is not shown to those it does not
 * share with.
 */
export function idOf(url: URL, isModel: boolean, { scope }: Tenant): string {
  return createHash('sha256')
    .update(JSON.stringify([scope, url.href, isModel]))
    .digest('hex');
}

/** @returns undefined where it is no record, or none that could be confirmed */
export function parseUrlRecord(given: unknown): UrlRecord | undefined {
  const { success, data } = UrlRecordSchema.safeParse(given);
  return success ? data : undefined;
}

/**
 * The records that an origin can be asked about: at most {@link ETAGS_MAX}, the most reported first. Where two
 * say different things of one tag or time, neither counts; a time counts only where there is no tag.
 */
export function agreed(records: readonly PeerUrlRecord[]): PeerUrlRecord[] {
  const tags = unanimous(
    records.filter(({ etag }) => etag !== undefined),
    ({ etag }) => bare(etag),
  );
  if (tags.length > 0) return tags.slice(0, ETAGS_MAX);
  const timed = records.filter(({ lastModified }) => !Number.isNaN(timeOf(lastModified)));
  const latest = Math.max(...timed.map(({ lastModified }) => timeOf(lastModified)));
  return unanimous(
    timed.filter(({ lastModified }) => timeOf(lastModified) === latest),
    () => '',
  );
}

/** The headers that ask an origin for what it holds unless it is one of these. */
export function conditionOf(records: readonly Pick<UrlContent, 'etag' | 'lastModified'>[]): Record<string, string> {
  const etags = [...new Set(records.map(({ etag }) => etag).filter((etag) => etag !== undefined))];
  const [{ lastModified } = {}, ...others] = records;
  return {
    ...(etags.length > 0 && { 'if-none-match': etags.join(', ') }),
    // Of several times it would be unclear which is meant.
    ...(lastModified !== undefined && others.length === 0 && { 'if-modified-since': lastModified }),
  };
}

/** The record that an origin means which says that nothing has changed. */
export function meant<T extends Pick<UrlContent, 'etag'>>(
  records: readonly T[],
  { etag }: IncomingHttpHeaders,
): T | undefined {
  if (records.length === 1) return records[0];
  return etag === undefined ? undefined : records.find((record) => bare(record.etag) === bare(etag));
}

/** Whether what came under these headers is what the record is about. */
export function isAbout(
  { etag, lastModified }: Pick<UrlContent, 'etag' | 'lastModified'>,
  headers: Pick<IncomingHttpHeaders, 'etag' | 'last-modified'>,
): boolean {
  if (etag !== undefined || headers.etag !== undefined) return bare(etag) === bare(headers.etag);
  return lastModified !== undefined && lastModified === headers['last-modified'];
}

/** One record of each group whose members agree, the largest groups first. */
function unanimous(records: readonly PeerUrlRecord[], groupOf: (record: PeerUrlRecord) => string): PeerUrlRecord[] {
  const groups = new Map<string, PeerUrlRecord[]>();
  for (const record of records) groups.set(groupOf(record), [...(groups.get(groupOf(record)) ?? []), record]);
  return [...groups.values()]
    .filter((group) => new Set(group.map(contentOf)).size === 1)
    .sort((one, other) => other.length - one.length)
    .flatMap(([first]) => first ?? []);
}

function contentOf({ sha256, bytes, locations }: UrlRecord): string {
  return JSON.stringify([sha256, bytes, locations]);
}

/** A tag without the mark of weakness: what is equivalent is the same model. */
function bare(etag = ''): string {
  return etag.replace(/^W\//, '');
}

function timeOf(text = ''): number {
  return Date.parse(text);
}
