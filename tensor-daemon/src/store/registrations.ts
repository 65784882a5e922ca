import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InstanceRegistrationSchema, InstanceTokenSchema } from '@tetris/common';
import { faultPoint } from '../fault';
import { list, rename, unlinkIfPresent, write } from './files';

const SUFFIX = '.json';

/** The registered instances, kept in the store so that a restarted daemon knows whose views to keep. */
export class Registrations {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  write(instance: string, namespace: string): void {
    const path = this.#path(instance);
    write(`${path}.new`, JSON.stringify({ namespace }));
    faultPoint('instance:written');
    rename(`${path}.new`, path);
    faultPoint('instance:registered');
  }

  remove(instance: string): void {
    unlinkIfPresent(this.#path(instance));
  }

  /** Instance to namespace. Files that are no registrations are removed. */
  readAll(): Map<string, string> {
    const found = new Map<string, string>();
    for (const name of list(this.#folder)) {
      const instance = name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : '';
      const namespace = InstanceTokenSchema.safeParse(instance).success ? this.#read(name) : undefined;
      if (namespace === undefined) unlinkIfPresent(join(this.#folder, name));
      else found.set(instance, namespace);
    }
    return found;
  }

  #read(name: string): string | undefined {
    try {
      return InstanceRegistrationSchema.parse(JSON.parse(readFileSync(join(this.#folder, name), 'utf8'))).namespace;
    } catch {
      return undefined;
    }
  }

  #path(instance: string): string {
    return join(this.#folder, `${instance}${SUFFIX}`);
  }
}
