/** Makers of entities with sensible values, for tests that care about a few fields only. */
import type { Action, Activation, Package, Rule, Trigger } from '@tetris/common';

export function anAction(overrides: Partial<Action> = {}): Omit<Action, 'revision'> {
  return {
    namespace: 'guest',
    name: 'classify',
    version: '0.0.1',
    publish: false,
    updated: 1_767_225_000_000,
    exec: { kind: 'nodejs:20', code: 'exports.main = (args) => args;', binary: false },
    parameters: [],
    annotations: [{ key: 'exec', value: 'nodejs:20' }],
    limits: { timeout: 60_000, memory: 256, logs: 10, concurrency: 1 },
    ...overrides,
  };
}

const DESCRIBED = { namespace: 'guest', version: '0.0.1', publish: false, updated: 1_767_225_000_000, annotations: [] };

export const aPackage = (overrides: Partial<Package> = {}): Omit<Package, 'revision'> => ({
  ...{ ...DESCRIBED, name: 'vision', parameters: [], binding: {} },
  ...overrides,
});

export const aTrigger = (overrides: Partial<Trigger> = {}): Omit<Trigger, 'revision'> => ({
  ...{ ...DESCRIBED, name: 'arrived', parameters: [], limits: {} },
  ...overrides,
});

export const aRule = (overrides: Partial<Rule> = {}): Omit<Rule, 'revision'> => ({
  ...{ ...DESCRIBED, name: 'on-arrival' },
  ...{ trigger: { path: 'guest', name: 'arrived' }, action: { path: 'guest/vision', name: 'classify' } },
  ...overrides,
});

let counter = 0;

/** Each call has another activation id. */
export function anActivation(overrides: Partial<Activation> = {}): Activation {
  counter += 1;
  const name = overrides.name ?? 'classify';
  return {
    namespace: 'guest',
    name,
    subject: 'guest',
    activationId: counter.toString(16).padStart(32, '0'),
    start: 1_767_225_600_201,
    end: 1_767_225_600_259,
    duration: 58,
    response: { statusCode: 0, result: { label: 'cat' }, size: 15 },
    logs: ['2026-01-01T00:00:00.250000000Z stdout: loaded'],
    version: '0.0.3',
    publish: false,
    annotations: [
      { key: 'path', value: `guest/${name}` },
      { key: 'kind', value: 'nodejs:20' },
      { key: 'limits', value: { timeout: 60_000, memory: 256, logs: 10, concurrency: 1 } },
    ],
    ...overrides,
  };
}
