/** Who may see a page and do what it offers. */
import { timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

export interface Access {
  user: string;
  password: string;
}

/** A hook that asks for basic auth. */
export function requireAccess({ user, password }: Access) {
  const expected = Buffer.from(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const given = Buffer.from(request.headers.authorization ?? '');
    if (given.length === expected.length && timingSafeEqual(given, expected)) return;
    await reply
      .code(401)
      .header('www-authenticate', 'Basic realm="Tetris", charset="UTF-8"')
      .send({ error: 'The supplied authentication is invalid.' });
  };
}

const LOCAL_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/;

/** Whether a request names this machine by itself, and not by a name that somebody else's server may have pointed here. */
export const isLocalHost = ({ headers }: FastifyRequest): boolean => LOCAL_HOST.test(headers.host ?? '');

/** Whether a request comes from a page of ours, or from no page at all: another site's page must not start anything. */
export function isSameOrigin({ headers }: FastifyRequest): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
