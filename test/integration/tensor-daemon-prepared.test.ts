/** Views that are made while an instance starts, because its action is known to lease their models. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import { PluginError } from '@tetris/common';
import type { ContainerSpec } from '@tetris/invoker-extension';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { aMessage, aStoredAction, FakeFactory } from '../support/invoker';
import { InvokerBench } from '../support/invoker-bench';
import { storeLinks } from '../support/store-links';
import { until } from '../support/until';

const TOKEN = 'prepared-instance-01';

describe('a prepared view', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  let model: BuiltModel;
  let source: string;

  beforeAll(async () => {
    model = await buildModel(perceptron('prepared'), models);
    await daemon.start({ modelRoots: models, tensorBytesMin: 1024 });
    (await daemon.client.lease({ source: fileSource(model.path) })).release();
    source = (await daemon.operator.models())[0]?.source ?? '';
  });
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  const viewsOf = (instance: string): string[] =>
    readdirSync(join(daemon.store, 'views', instance)).filter((name) => !name.startsWith('.'));
  const holders = (): string[] => storeLinks(daemon.store).holders;

  it('is there before it is leased, and becomes the lease', async () => {
    await daemon.operator.registerInstance(TOKEN, { namespace: 'guest', models: [source] });
    await until(() => viewsOf(TOKEN).length === 1);
    const before = viewsOf(TOKEN);
    const lease = await daemon.client.lease({ source: fileSource(model.path), instance: TOKEN });
    expect([lease.warm, lease.view.split('/')[1]]).toEqual([true, before[0]]);
    const { references, seen } = storeLinks(daemon.store);
    expect(references).toEqual(seen);
    expect([...seen.values()].every((links) => links === 1)).toBe(true);
    lease.release();
    await until(() => !holders().includes(TOKEN));
    await daemon.operator.releaseInstance(TOKEN);
  });

  it('is of no model that the store has not got', async () => {
    await daemon.operator.registerInstance(TOKEN, { namespace: 'guest', models: ['0'.repeat(64), source] });
    await until(() => viewsOf(TOKEN).length === 1);
    await daemon.operator.releaseInstance(TOKEN);
    expect(holders()).toEqual([]);
  });

  it('expected failure: goes, with every link, where the container does not start', async () => {
    const prepared: string[][] = [];
    const factory = new FakeFactory();
    factory.create = async ({ instance }: ContainerSpec) => {
      await until(() => viewsOf(instance).length === 1);
      prepared.push(viewsOf(instance));
      throw new PluginError('ERR_CONTAINER_START', 'it does not start');
    };
    const subject = await new InvokerBench({
      factory,
      actions: [aStoredAction()],
      parts: { daemon: daemon.operator },
    }).start();
    const message = aMessage();
    await subject.registry.putManifest(`guest/classify@${message.revision}`, {
      tensors: [],
      privateBytes: 1,
      models: [source],
    });
    await subject.send(message);
    await subject.freed(1);
    expect(prepared).toHaveLength(1);
    await until(() => holders().length === 0);
    expect(await daemon.operator.instances()).toEqual([]);
    await subject.extension.stop();
  });
});
