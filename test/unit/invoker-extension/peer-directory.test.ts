import { createLogger, type InvokerStatus, MemoryRegistry, PluginError } from '@tetris/common';
import { PeerDirectory } from '../../../invoker-extension/src/peer-directory';
import { invokerStatus } from '../../support/registry-contract';

const log = createLogger('test', 'silent');
const INTERVAL_MS = 1_000;

describe('PeerDirectory', () => {
  let nowMs = 0;
  let told: string[][] = [];
  let away = false;
  let registry: MemoryRegistry;
  let subject: PeerDirectory;
  const publish = (instance: number, changes: Partial<InvokerStatus>): Promise<void> =>
    registry.publishStatus(invokerStatus(instance, changes));

  beforeEach(async () => {
    [nowMs, told, away] = [1_000_000, [], false];
    registry = new MemoryRegistry();
    const setPeers = async (peers: string[]): Promise<void> => {
      if (away) throw new PluginError('ERR_DAEMON_UNAVAILABLE', 'away', { retriable: true });
      told.push(peers);
    };
    const node = 'node-0';
    subject = new PeerDirectory({
      daemon: { setPeers },
      registry,
      node,
      log,
      nowMs: () => nowMs,
      intervalMs: INTERVAL_MS,
    });
    await publish(1, { peer: 'http://one:7000' });
    await subject.start();
  });
  afterEach(() => subject.stop());

  it('tells where the daemons of other nodes are, each once, and not its own', async () => {
    await publish(0, { peer: 'http://zero:7000' });
    await publish(2, { peer: 'http://two:7000' });
    await publish(3, { node: 'node-2', peer: 'http://two:7000' });
    await publish(4, {});
    await subject.tell();
    expect(told.at(-1)?.sort()).toEqual(['http://one:7000', 'http://two:7000']);
  });

  it('forgets a node that has been silent for three rounds', async () => {
    await publish(2, { peer: 'http://two:7000' });
    nowMs += 3 * INTERVAL_MS;
    await publish(1, { peer: 'http://one:7000' });
    await subject.tell();
    expect(told.at(-1)).toHaveLength(2);
    nowMs += 1;
    await subject.tell();
    expect(told.at(-1)).toEqual(['http://one:7000']);
  });

  it('expected failure: tells a daemon that was away when it is back', async () => {
    away = true;
    await subject.tell();
    away = false;
    await subject.tell();
    expect(told).toEqual([['http://one:7000']]);
  });
});
