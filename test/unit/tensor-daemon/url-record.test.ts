import { validateHeaderValue } from 'node:http';
import * as fc from 'fast-check';
import {
  agreed,
  conditionOf,
  idOf,
  isAbout,
  meant,
  parseUrlRecord,
  type PeerUrlRecord,
} from '../../../tensor-daemon/src/source/url-record';
import { ANYBODY, tenantOf } from '../../../tensor-daemon/src/tenant';

const [ONE, TWO] = ['1'.repeat(64), '2'.repeat(64)];
const [EARLY, LATE] = ['Sun, 06 Nov 2022 08:49:37 GMT', 'Mon, 07 Nov 2022 08:49:37 GMT'];

function told(
  sha256: string,
  validators: Pick<PeerUrlRecord, 'etag' | 'lastModified'>,
  peer = 'http://peer',
): PeerUrlRecord {
  return { sha256, bytes: 10, locations: [], peer, ...validators };
}

describe('what a URL held', () => {
  const url = new URL('https://models.example/a.onnx');

  it('is known by another name in another scope, and as a model by another than as data', () => {
    const guest = tenantOf('namespace', undefined, 'guest');
    const ids = [idOf(url, true, ANYBODY), idOf(url, false, ANYBODY), idOf(url, true, guest)];
    expect(new Set(ids).size).toBe(3);
    expect(idOf(new URL(url.href), true, ANYBODY)).toBe(ids[0]);
  });

  it('is told without who told it and when it was asked', () => {
    const record = { sha256: ONE, bytes: 10, etag: '"x"', locations: ['a.data'] };
    expect(parseUrlRecord({ ...record, lastModified: undefined, peer: 'http://peer', checkedMs: 1 })).toEqual(record);
  });

  it.each([
    ['no validator', {}],
    ['a tag without quotes', { etag: 'x' }],
    ['a line in its tag', { etag: '"x"\r\nhost: other' }],
    ['a line in its time', { lastModified: `${EARLY}\r\nhost: other` }],
    ['a tag without end', { etag: `"${'x'.repeat(1_000)}"` }],
    ['no digest', { etag: '"x"', sha256: 'x' }],
    ['fewer bytes than none', { etag: '"x"', bytes: -1 }],
  ])('bad call: a record with %s is none', (_what, change) => {
    expect(parseUrlRecord({ sha256: ONE, bytes: 10, locations: [], ...change })).toBeUndefined();
  });
});

describe('what a peer says', () => {
  it('is no record, or one whose headers can be sent, whatever it is', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map((text) => `"${text}"`),
      fc.string().map((text) => `W/"${text}"`),
    );
    const record = fc.record(
      { sha256: fc.constant(ONE), bytes: fc.nat(), etag: texts, lastModified: texts, locations: fc.array(fc.string()) },
      { requiredKeys: ['sha256', 'bytes', 'locations'] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(record, fc.anything())), (said) => {
        const records = said.map(parseUrlRecord).flatMap((known) => (known ? [{ ...known, peer: 'http://peer' }] : []));
        const asked = agreed(records);
        expect(records).toEqual(expect.arrayContaining(asked));
        for (const [name, value] of Object.entries(conditionOf(asked))) validateHeaderValue(name, value);
      }),
    );
  });
});

describe('asking an origin whether it still does', () => {
  it('names every tag that was told, the one that most have told first', () => {
    const records = agreed([told(ONE, { etag: '"a"' }), told(TWO, { etag: '"b"' }), told(TWO, { etag: '"b"' })]);
    expect(conditionOf(records)).toEqual({ 'if-none-match': '"b", "a"' });
    expect(meant(records, { etag: 'W/"a"' })?.sha256).toBe(ONE);
    expect(meant(records, { etag: '"c"' })).toBeUndefined();
    expect(meant(records, {})).toBeUndefined();
  });

  it('believes nobody where two say different things of one tag or time', () => {
    expect(agreed([told(ONE, { etag: '"a"' }), told(TWO, { etag: 'W/"a"' }), told(TWO, { etag: '"b"' })])).toEqual([
      told(TWO, { etag: '"b"' }),
    ]);
    expect(agreed([told(ONE, { lastModified: LATE }), told(TWO, { lastModified: LATE })])).toEqual([]);
  });

  it('asks by the latest time, where there is no tag', () => {
    const records = agreed([told(ONE, { lastModified: EARLY }), told(TWO, { lastModified: LATE })]);
    expect(conditionOf(records)).toEqual({ 'if-modified-since': LATE });
    expect(meant(records, {})?.sha256).toBe(TWO);
  });

  it('asks for tags only where some are told, and for no more than fit', () => {
    const many = Array.from({ length: 100 }, (_, index) => told(ONE, { etag: `"${index}"`, lastModified: LATE }));
    expect(agreed([...many, told(TWO, { lastModified: LATE })])).toHaveLength(8);
  });

  it('asks for anything where nothing was told, or nothing that makes sense', () => {
    expect(conditionOf(agreed([]))).toEqual({});
    expect(agreed([told(ONE, { lastModified: 'yesterday' })])).toEqual([]);
  });

  it('asks by both where it knows one thing', () => {
    expect(conditionOf([{ etag: '"a"', lastModified: LATE }])).toEqual({
      'if-none-match': '"a"',
      'if-modified-since': LATE,
    });
  });
});

describe('a record and an answer', () => {
  it.each([
    ['the same tag', { etag: '"a"' }, { etag: 'W/"a"' }, true],
    ['another tag', { etag: '"a"' }, { etag: '"b"' }, false],
    ['a tag and none', { etag: '"a"', lastModified: LATE }, { 'last-modified': LATE }, false],
    ['none and a tag', { lastModified: LATE }, { etag: '"a"', 'last-modified': LATE }, false],
    ['the same time', { lastModified: LATE }, { 'last-modified': LATE }, true],
    ['another time', { lastModified: LATE }, { 'last-modified': EARLY }, false],
    ['nothing', {}, {}, false],
  ])('%s', (_what, record, headers, same) => expect(isAbout(record, headers)).toBe(same));
});
