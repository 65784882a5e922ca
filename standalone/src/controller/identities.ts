import { timingSafeEqual } from 'node:crypto';
import { type Identity, PluginError, type UserLimits } from '@tetris/common';

/** Who may use the API: a namespace of the same name, and its key `uuid:secret`. */
export interface Subject {
  name: string;
  key: string;
}

/** The guest key of OpenWhisk's own standalone. It is public: the platform listens on loopback only. */
export const GUEST: Subject = {
  name: 'guest',
  key: '23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP',
};

/**
 * The owner of the packages that everybody may use; as public as the guest's key, and the same as in OpenWhisk's
 * standalone.
 */
export const SYSTEM: Subject = {
  name: 'whisk.system',
  key: '789c46b1-71f6-4ed5-8c54-816aa4f8c502:abczO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP',
};

const SUBJECT = /^([\w][\w@.-]{4,254})=([0-9a-fA-F-]{36}):([^\s:]{64})$/;

/** What is wrong with `name=uuid:secret`, without the secret; undefined for a good one. */
export function subjectProblem(text: string): string | undefined {
  if (SUBJECT.test(text)) return undefined;
  const form = 'name=uuid:secret, with a name of at least 5 characters, a UUID of 36 and a secret of 64';
  const [shown = ''] = text.split(/[=:]/);
  return `takes ${form}; got '${shown}${shown === text ? '' : '...'}'`;
}

/**
 * Reads `name=uuid:secret`.
 * @throws PluginError `ERR_CONFIG_INVALID`; the text does not repeat the secret
 */
export function parseSubject(text: string): Subject {
  const [, name = '', uuid = '', secret = ''] = SUBJECT.exec(text) ?? [];
  if (name === '') throw new PluginError('ERR_CONFIG_INVALID', `a subject ${subjectProblem(text)}`);
  return { name, key: `${uuid}:${secret}` };
}

/** Basic authentication: user = namespace uuid, password = secret. */
export class Identities {
  readonly #subjects = new Map<string, { subject: Subject; secret: Buffer }>();

  constructor(subjects: readonly Subject[]) {
    for (const subject of subjects) {
      const [uuid = '', secret = ''] = subject.key.split(':');
      this.#subjects.set(uuid, { subject, secret: Buffer.from(secret) });
    }
  }

  /** The subject of a namespace. */
  named(namespace: string): Subject | undefined {
    return [...this.#subjects.values()].find(({ subject }) => subject.name === namespace)?.subject;
  }

  /** The subject of an `Authorization` header; undefined where it is missing or wrong. */
  authenticate(header: string | undefined): Subject | undefined {
    const match = /^Basic\s+([A-Za-z0-9+/=]+)$/i.exec(header ?? '');
    if (match === null) return undefined;
    const [uuid = '', ...rest] = Buffer.from(match[1] ?? '', 'base64')
      .toString('utf8')
      .split(':');
    const known = this.#subjects.get(uuid);
    const secret = Buffer.from(rest.join(':'));
    if (known === undefined || known.secret.length !== secret.length) return undefined;
    return timingSafeEqual(known.secret, secret) ? known.subject : undefined;
  }
}

export function identityOf({ name, key }: Subject, limits: UserLimits): Identity {
  return {
    subject: name,
    namespace: { name, uuid: key.split(':')[0] ?? '' },
    authkey: { api_key: key },
    rights: ['READ', 'PUT', 'DELETE', 'ACTIVATE'],
    limits,
  };
}
