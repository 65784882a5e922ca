import { type ActionManifest, createLogger } from '@tetris/common';
import type { FunctionInstance } from '../../../invoker-extension/src/instances/function-instance';
import { Sampler } from '../../../invoker-extension/src/instances/sampler';

const tensor = (name: string) => ({ sha256: name.repeat(64), bytes: 100 });

/** Instances of one action revision, each with the models that it has loaded. */
function sampled(models: Record<string, string[]>): { sampler: Sampler; published: ActionManifest[] } {
  const instances = Object.keys(models).map((token, id) => ({
    id,
    token,
    revision: 'guest/classify@1',
    level: 'awake',
    privateBytes: async () => 50,
  }));
  const published: ActionManifest[] = [];
  const sampler = new Sampler({
    daemon: {
      instance: async (token: string) => ({
        instance: token,
        namespace: 'guest',
        viewPath: '',
        models: (models[token] ?? []).map((name) => ({
          modelKey: name,
          name,
          source: name.repeat(64),
          tensors: [tensor(name)],
        })),
      }),
      totals: async () => ({ leasedBytes: 0 }) as never,
    },
    instances: () => instances as unknown as FunctionInstance[],
    onMeasured: () => undefined,
    onManifest: (_revision, manifest) => void published.push(manifest),
    log: createLogger('test', 'silent'),
    intervalMs: 1_000_000,
  });
  for (const instance of instances) sampler.used(instance as unknown as FunctionInstance);
  return { sampler, published };
}

describe('Sampler', () => {
  it('publishes one manifest of instances that have loaded different models, with what any of them needs, and once', async () => {
    const { sampler, published } = sampled({ one: ['a'], other: ['b'] });
    for (let round = 0; round < 3; round += 1) await sampler.sample();
    expect(published).toEqual([
      { tensors: [tensor('a'), tensor('b')], privateBytes: 50, models: ['a'.repeat(64), 'b'.repeat(64)] },
    ]);
  });

  it('publishes again when an instance has loaded one more', async () => {
    const models = { one: ['a'] };
    const { sampler, published } = sampled(models);
    await sampler.sample();
    models.one.push('b');
    await sampler.sample();
    expect(published.map(({ tensors }) => tensors.length)).toEqual([1, 2]);
  });
});
