import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import type { Action } from '@tetris/common';
import { until } from '../until';
import { sleeper } from './cluster';

const CODE = `
const fs = require('fs');
function main({ n, gate }) {
  try {
    fs.writeFileSync(gate + '/' + n, '');
  } catch {} // it is open
  return new Promise((done) => {
    const look = () => (fs.existsSync(gate) ? setTimeout(look, 50) : done({ n }));
    look();
  });
}`;

/** Holds activations that run in process containers, so that a test need not guess how long a machine takes. */
export class Gate {
  readonly #folder = mkdtempSync('/tmp/tg-');

  /** An action that waits at the gate that it is given. */
  static action(name: string): Partial<Action> {
    return { ...sleeper(name), exec: { kind: 'nodejs:tetris', code: CODE, binary: false } };
  }

  content(n: number): Record<string, unknown> {
    return { n, gate: this.#folder };
  }

  /** Resolves when at least so many different activations have begun. */
  async reached(count: number): Promise<void> {
    await until(() => readdirSync(this.#folder).length >= count, `${count} activations run`);
  }

  /** Lets them go, once and for all; nothing is left of it. Renamed first: who comes now finds no gate to write to. */
  open(): void {
    if (!existsSync(this.#folder)) return;
    const opened = `${this.#folder}-opened`;
    renameSync(this.#folder, opened);
    rmSync(opened, { recursive: true, maxRetries: 5 });
  }
}
