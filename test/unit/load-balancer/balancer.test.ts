import { until } from '../../support/until';
import { Cluster } from './cluster';

describe('LoadBalancer', () => {
  let cluster: Cluster;
  afterEach(async () => cluster.stop());

  it('relays an activation byte for byte and its ack with the virtual invoker as instance', async () => {
    cluster = await new Cluster({ invokers: 2 }).start();
    const { controller, invokers } = cluster;
    const id = await controller.invoke({ future: { field: 1 } });
    await until(() => controller.slots.has(id));
    const received = invokers.flatMap((invoker) => invoker.received);
    expect(received).toHaveLength(1);
    expect(received[0]?.text).toContain('"future":{"field":1}');
    expect(controller.acks[0]?.instance).toMatchObject({
      instance: 0,
      userMemory: '68719476736 B',
      uniqueName: 'tetris0',
    });
    expect([...controller.results.values(), ...controller.slots.values()]).toEqual([1, 1]);
    expect(cluster.balancer.load).toEqual({ inFlight: 0, waiting: 0 });
  });
});
