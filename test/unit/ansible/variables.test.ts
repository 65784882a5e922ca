import { type ConfigSchema, describeConfig } from '@tetris/common';
import { invokerConfig } from '@tetris/invoker-extension';
import { balancerConfig } from '@tetris/load-balancer';
import { DAEMON_CONFIG } from '@tetris/tensor-daemon';
import { runtimeConfig } from '@tetris/action-runtime';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ANSIBLE = resolve(__dirname, '../../../ansible');
const SCHEMAS = [DAEMON_CONFIG, invokerConfig, balancerConfig, runtimeConfig] as ConfigSchema[];
const COMPONENTS = SCHEMAS.map(({ component }) => component).join('|');
const KNOWN = new Set(SCHEMAS.flatMap((schema) => describeConfig(schema).map(({ variable }) => variable)));

/** Every environment name that the playbooks write or name: spelt out, or as the variable that it is made from. */
const names = new Map<string, string>();
for (const entry of readdirSync(ANSIBLE, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
  for (const [name] of text.matchAll(new RegExp(`\\btetris_(${COMPONENTS})_[a-z0-9_]+`, 'gi'))) {
    names.set(name.toUpperCase(), entry.name);
  }
}

describe('the variables of the playbooks', () => {
  it('are found', () => {
    expect(names.size).toBeGreaterThan(10);
  });

  it.each([...names].map(([name, file]) => ({ name, file })))('$name ($file) is a configuration key', ({ name }) => {
    expect(KNOWN).toContain(name);
  });
});
