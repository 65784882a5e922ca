/** OpenWhisk's three databases as its own Ansible makes them, with its own design documents and test users. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CouchServer } from '@tetris/bench/servers';

export const DATABASES = {
  WhiskEntity: 'whisk_local_whisks',
  WhiskActivation: 'whisk_local_activations',
  WhiskAuth: 'whisk_local_subjects',
} as const;

/** Files of `ansible/files` that `initdb.yml` and `wipe.yml` put there. */
const DESIGN_DOCUMENTS: Readonly<Record<keyof typeof DATABASES, readonly string[]>> = {
  WhiskEntity: ['whisks_design_document_for_entities_db_v2.1.0.json'],
  WhiskActivation: [
    'whisks_design_document_for_activations_db_v2.1.0.json',
    'whisks_design_document_for_activations_db_filters_v2.1.1.json',
    'activations_design_document_for_activations_db.json',
    'logCleanup_design_document_for_activations_db.json',
  ],
  WhiskAuth: [
    'auth_design_document_for_subjects_db_v2.0.0.json',
    'namespace_throttlings_design_document_for_subjects_db.json',
  ],
};
const USERS = ['guest', 'whisk.system'];
const LIMITS = { invocationsPerMinute: 1_000_000, concurrentInvocations: 10_000, firesPerMinute: 10_000 };

/** @param home an OpenWhisk checkout. @returns the key of `guest` */
export async function prepareDatabases(couch: CouchServer, home: string): Promise<string> {
  const file = (name: string): string => readFileSync(join(home, 'ansible/files', name), 'utf8').trim();
  const { username, password, host } = new URL(couch.url);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const put = async (path: string, body = ''): Promise<void> => {
    const headers = { authorization, 'content-type': 'application/json' };
    const reply = await fetch(`http://${host}/${path}`, { method: 'PUT', headers, ...(body === '' ? {} : { body }) });
    if (!reply.ok) throw new Error(`PUT ${path}: ${reply.status} ${await reply.text()}`);
  };
  for (const [role, database] of Object.entries(DATABASES)) {
    await put(database);
    for (const name of DESIGN_DOCUMENTS[role as keyof typeof DATABASES]) {
      // PouchDB runs maps in strict mode, where an undeclared variable is an error; CouchDB does not.
      const text = file(name).replaceAll('for (i = ', 'for (var i = ');
      const { _id: id } = JSON.parse(text) as { _id: string };
      await put(`${database}/${id}`, text);
    }
  }
  for (const user of USERS) {
    const [uuid, key] = file(`auth.${user}`).split(':');
    const subject = { subject: user, namespaces: [{ name: user, uuid, key }] };
    await put(`${DATABASES.WhiskAuth}/${user}`, JSON.stringify(subject));
    // The view of identities joins it. Where it is absent CouchDB says null; PouchDB says nothing, which is an error to
    // OpenWhisk.
    await put(`${DATABASES.WhiskAuth}/${encodeURIComponent(`${user}/limits`)}`, JSON.stringify(LIMITS));
  }
  return file('auth.guest');
}
