import type { FastifyRequest } from 'fastify';

/** Those of the transport rather than of the message. */
const HIDDEN = new Set(['content-length', 'transfer-encoding']);

/** A request's headers as actions get them: lower-case names, one line each. */
export function headersOf({ headers }: FastifyRequest): Record<string, string> {
  const shown = Object.entries(headers).filter(([name]) => !HIDDEN.has(name));
  return Object.fromEntries(shown.map(([name, value]) => [name, [value].flat().join(', ')]));
}
