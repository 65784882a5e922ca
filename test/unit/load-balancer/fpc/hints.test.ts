import { EtcdKeys } from '../../../../load-balancer/src/fpc/etcd-keys';
import { Hints } from '../../../../load-balancer/src/fpc/hints';
import { KnownActions } from '../../../../load-balancer/src/fpc/known-actions';

const keys = new EtcdKeys('whisk');
const action = (namespace: string, name: string, revision: string) => ({
  namespace,
  name: { path: 'guest/vision', name },
  revision,
});

class Written {
  readonly keys = new Set<string>();
  puts = 0;
  async put(key: string): Promise<void> {
    this.puts += 1;
    this.keys.add(key);
  }
  async delete(key: string): Promise<void> {
    this.keys.delete(key);
  }
}

describe('hints', () => {
  it('are one key for each action and invoking namespace, of its newest revision', () => {
    const written = new Written();
    const hints = new Hints(keys, written, { invoker: 100, hintsMax: 10, newQueueKeys: 3 });
    hints.show();
    for (const revision of ['1-a', '2-b']) hints.put(action('guest', 'one', revision));
    hints.put(action('other', 'one', '2-b'));
    expect([...written.keys]).toEqual([
      'whisk/warmed/guest/guest/vision/one/2-b/invoker/100/container/z100-hint',
      'whisk/warmed/other/guest/vision/one/2-b/invoker/100/container/z100-hint',
    ]);
    hints.forget('guest/vision/one');
    expect([written.keys.size, hints.size]).toEqual([0, 0]);
  });

  it('are written again where they are shown again, and taken away where they are hidden', async () => {
    const written = new Written();
    const hints = new Hints(keys, written, { invoker: 100, hintsMax: 10, newQueueKeys: 3 });
    hints.put(action('guest', 'one', '1-a'));
    expect(written.puts).toBe(0);
    hints.show();
    hints.show();
    expect(written.puts).toBe(2);
    await hints.hide();
    expect(written.keys.size).toBe(0);
    hints.show();
    expect(written.keys.size).toBe(1);
  });

  it('are several while a queue is new, since schedulers may order many containers at once', async () => {
    const written = new Written();
    const hints = new Hints(keys, written, { invoker: 100, hintsMax: 10, newQueueKeys: 3 });
    hints.show();
    hints.queueSeen(action('guest', 'unknown', '1-a'), 0);
    hints.put(action('guest', 'one', '1-a'));
    hints.queueSeen(action('guest', 'one', '1-a'), 1_000);
    hints.put(action('guest', 'one', '1-a'));
    hints.tick(10_999);
    expect([...written.keys].map((key) => key.split('/').at(-1))).toEqual(['z100-hint', 'z100-1-hint', 'z100-2-hint']);
    hints.tick(11_000);
    expect([...written.keys].map((key) => key.split('/').at(-1))).toEqual(['z100-hint']);
    hints.queueSeen(action('guest', 'one', '1-a'), 12_000);
    await hints.hide();
    expect(written.keys.size).toBe(0);
  });

  it('are bounded: the one used longest ago goes', () => {
    const written = new Written();
    const hints = new Hints(keys, written, { invoker: 100, hintsMax: 2, newQueueKeys: 3 });
    hints.show();
    for (const name of ['one', 'two', 'three']) hints.put(action('guest', name, '1-a'));
    expect([...written.keys].map((key) => key.split('/')[5])).toEqual(['two', 'three']);
  });
});

describe('known actions', () => {
  it('are for their own namespace, and for those that were seen to invoke them', () => {
    const known = new KnownActions(10);
    const name = { path: 'guest/vision', name: 'one' };
    const pulled = (namespace: string) => ({ namespace, name: { ...name, version: '0.0.1' }, revision: '1-a' });
    const state = { revision: '1-a', version: '0.0.1', memoryMb: 512 };
    expect(known.present('guest/vision/one', state)).toEqual([pulled('guest')]);
    expect([known.invoked('other', name), known.invoked('other', name)]).toEqual([true, false]);
    expect(known.get('other', name)).toEqual(pulled('other'));
    expect([
      known.invoked('other', { path: 'guest', name: 'one' }),
      known.get('other', { path: 'guest', name: 'one' }),
    ]).toEqual([false, undefined]);
    expect(known.present('guest/vision/one', { ...state, revision: '2-b', memoryMb: 256 })).toHaveLength(2);
    expect(known.memoryMaxMb).toBe(256);
    known.gone('guest/vision/one');
    expect([known.invoked('third', name), known.get('other', name)]).toEqual([false, undefined]);
  });
});

describe('keys', () => {
  it('are those of a stock invoker', () => {
    const one = { namespace: 'guest', name: { path: 'guest', name: 'hello', version: '0.0.1' }, revision: '1-f9' };
    expect(keys.container(one, 100, 'z1')).toBe('whisk/namespace/guest/guest/hello/1-f9/invoker100/container/z1');
    expect(keys.warmed(one, 100, 'z1')).toBe('whisk/warmed/guest/guest/hello/1-f9/invoker/100/container/z1');
    expect(keys.leader(one)).toBe('whisk/queue/guest/guest/hello/leader');
    expect(keys.queueOf('whisk/queue/ns/guest/pkg/hello/leader')).toEqual({
      namespace: 'ns',
      name: { path: 'guest/pkg', name: 'hello' },
    });
    expect(keys.queueOf('whisk/queue/ns/hello/leader')).toBeUndefined();
    expect(keys.invoker(100, 'tetris-lb-0')).toBe('whisk/invokers/100/tetris-lb-0');
  });
});
