import type { Identity } from '@tetris/common';

/** Namespaces that may not run anything. Source: `V/invoker/NamespaceBlacklist.scala`. */
export interface Blacklist {
  has(user: Identity): boolean;
}

/** A list of namespace names that somebody else keeps up to date by {@link NameBlacklist.replace}. */
export class NameBlacklist implements Blacklist {
  #names: ReadonlySet<string>;

  constructor(names: readonly string[] = []) {
    this.#names = new Set(names);
  }

  has(user: Identity): boolean {
    return this.#names.has(user.namespace.name);
  }

  replace(names: readonly string[]): void {
    this.#names = new Set(names);
  }
}
