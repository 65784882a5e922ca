import { createLogger, type Identity } from '@tetris/common';
import { BlacklistKeeper, NameBlacklist } from '../../../invoker-extension/src/messages/blacklist';

const userOf = (name: string): Identity => ({
  subject: name,
  namespace: { name, uuid: 'u' },
  authkey: {},
  rights: [],
  limits: {},
});

describe('BlacklistKeeper', () => {
  let answer: () => Promise<string[]>;
  let list: NameBlacklist;
  let keeper: BlacklistKeeper;
  const blocked = (): string[] => ['always', 'bad', 'worse', 'good'].filter((name) => list.has(userOf(name)));
  beforeEach(() => {
    answer = async () => ['bad'];
    list = new NameBlacklist(['always']);
    const entities = { blockedNamespaces: () => answer() };
    const log = createLogger('test', 'silent');
    keeper = new BlacklistKeeper({ list, entities, always: ['always'], intervalMs: 20, log });
  });
  afterEach(() => keeper.stop());

  it('blocks what the database blocks, beside the configured names, from the start on', async () => {
    await keeper.start();
    expect(blocked()).toEqual(['always', 'bad']);
  });

  it('follows the database', async () => {
    await keeper.start();
    answer = async () => ['worse'];
    for (let tries = 0; tries < 200 && !blocked().includes('worse'); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(blocked()).toEqual(['always', 'worse']);
  });

  it('expected failure: keeps what it knows while the database is away', async () => {
    await keeper.start();
    answer = async () => {
      throw new Error('away');
    };
    await keeper.refresh();
    expect(blocked()).toEqual(['always', 'bad']);
  });

  it('expected failure: starts with the configured names where the database was never there', async () => {
    answer = async () => {
      throw new Error('away');
    };
    await keeper.start();
    expect(blocked()).toEqual(['always']);
  });
});
