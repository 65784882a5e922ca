import { setImmediate as turn } from 'node:timers/promises';
import { startAll } from '../../../../bench/src/servers/start-all';

describe('servers that start beside each other', () => {
  const stopped: string[] = [];
  const server = (name: string): { name: string; stop: () => Promise<void> } => ({
    name,
    stop: async () => void stopped.push(name),
  });
  beforeEach(() => void stopped.splice(0));

  it('are given by their names', async () => {
    const { first, second } = await startAll({
      first: Promise.resolve(server('first')),
      second: Promise.resolve(server('second')),
    });
    expect([first.name, second.name, stopped]).toEqual(['first', 'second', []]);
  });

  it('expected failure: are stopped where one does not start, those that start later too', async () => {
    const late = turn().then(() => server('late'));
    const starting = startAll({
      early: Promise.resolve(server('early')),
      broken: Promise.reject<ReturnType<typeof server>>(new Error('no such program')),
      late,
    });
    await expect(starting).rejects.toThrow('no such program');
    expect(stopped).toEqual(['early', 'late']);
  });
});
