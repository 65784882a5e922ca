import {
  isEntityName,
  isEntityPath,
  readEntityName,
  readNextAction,
} from '../../../../standalone/src/controller/entities/names';

describe('names of entities', () => {
  it.each(['a', '_', 'a b', 'a@b.c-d&e', 'x'.repeat(256)])('may be %p', (text) => {
    expect(isEntityName(text)).toBe(true);
  });

  it.each(['', ' a', 'a ', '-a', 'a/b', 'ä', 'a$', 'x'.repeat(257)])('bad call: may not be %p', (text) => {
    expect(isEntityName(text)).toBe(false);
  });

  it.each<[unknown, object | undefined]>([
    ['/guest/a', { path: 'guest', name: 'a' }],
    ['guest/a', { path: 'guest', name: 'a' }],
    ['/_/a', { path: 'me', name: 'a' }],
    ['/_/p/a', { path: 'me/p', name: 'a' }],
    [
      { path: '_/p', name: 'a' },
      { path: 'me/p', name: 'a' },
    ],
    [
      { path: 'guest', name: 'a' },
      { path: 'guest', name: 'a' },
    ],
    ['a', undefined],
    ['/a/b/c/d', undefined],
    ['/guest/a$', undefined],
    [{ name: 'a' }, undefined],
    [7, undefined],
    [null, undefined],
  ])('reads %j in full', (value, expected) => {
    expect(readEntityName(value, 'me')).toEqual(expected);
  });

  it.each<[unknown, object | undefined]>([
    ['a', { path: 'me', name: 'a' }],
    ['p/a', { path: 'me/p', name: 'a' }],
    ['/guest/a', { path: 'guest', name: 'a' }],
    ['guest/p/a', { path: 'guest/p', name: 'a' }],
    ['/_/a', { path: 'me', name: 'a' }],
    ['/a', undefined],
    [7, undefined],
  ])('reads %j as the next action of a conductor', (value, expected) => {
    expect(readNextAction(value, 'me')).toEqual(expected);
  });

  it('takes a name with and without namespace and package for a path', () => {
    expect(['a', 'p/a', '/n/p/a', 'no$'].map(isEntityPath)).toEqual([true, true, true, false]);
  });
});
