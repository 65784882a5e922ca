import * as fc from 'fast-check';
import { checkAnswer, checkRequest, signAnswer, signRequest } from '../../../tensor-daemon/src/transfer/peer-auth';
import { forEachOf } from '../../../tensor-daemon/src/transfer/for-each';
import { parseListen } from '../../../tensor-daemon/src/tier/peer-config';
import { Bandwidth } from '../../../tensor-daemon/src/transfer/rate-limit';

const REQUEST = { method: 'GET', path: '/v1/models/a', range: '' };

describe('signatures of peers', () => {
  const { header, nonce } = signRequest('secret', REQUEST, 1_000_000);

  it('let in who knows the secret, about now', () => {
    expect(checkRequest('secret', REQUEST, header, 1_030_000)).toBe(nonce);
    expect(checkAnswer('secret', nonce, 'text', signAnswer('secret', nonce, 'text'))).toBe(true);
  });

  it.each([
    ['another secret', 'other', REQUEST, header, 1_000_000],
    ['another path', 'secret', { ...REQUEST, path: '/v1/models/b' }, header, 1_000_000],
    ['another range', 'secret', { ...REQUEST, range: 'bytes=1-' }, header, 1_000_000],
    ['a request of long ago', 'secret', REQUEST, header, 1_061_000],
    ['no signature', 'secret', REQUEST, '', 1_000_000],
    ['a time that is none', 'secret', REQUEST, header.replace(/^\d+/, 'now'), 1_000_000],
  ])('bad call: %s', (_what, secret, request, signature, nowMs) => {
    expect(checkRequest(secret, request, signature, nowMs)).toBeUndefined();
  });

  it('bad call: an answer to another question, or another answer', () => {
    const signature = signAnswer('secret', nonce, 'text');
    expect(checkAnswer('secret', 'other', 'text', signature)).toBe(false);
    expect(checkAnswer('secret', nonce, 'texts', signature)).toBe(false);
    expect(checkAnswer('secret', nonce, 'text', '')).toBe(false);
  });
});

describe('Bandwidth', () => {
  it('never passes more than its share, whatever comes and when', () => {
    const events = fc.array(fc.tuple(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 0, max: 500 })), {
      minLength: 1,
    });
    fc.assert(
      fc.property(events, (chunks) => {
        const bandwidth = new Bandwidth(50_000);
        let nowMs = 0;
        let passed = 0;
        for (const [bytes, idleMs] of chunks) {
          nowMs += idleMs;
          nowMs += bandwidth.book(bytes, nowMs);
          passed += bytes;
          expect(passed).toBeLessThanOrEqual((nowMs / 1000) * 50_000 + 1e-6 * passed);
        }
      }),
    );
  });

  it('is one for all who share its clock, as threads do', () => {
    const one = new Bandwidth(1_000);
    const other = new Bandwidth(1_000, one.clock);
    expect(one.book(500, 0)).toBe(500);
    expect(other.book(500, 0)).toBe(1_000);
    expect(one.book(500, 5_000)).toBe(500);
  });

  it('passes pieces of a tenth of a second at most, and whole ones where there is no bound', () => {
    expect(new Bandwidth(1_000_000).pieceBytes(1_000_000)).toBe(100_000);
    expect(new Bandwidth(1e9).pieceBytes(1_000_000)).toBe(1_000_000);
    expect(new Bandwidth(0).pieceBytes(1_000_000)).toBe(1_000_000);
  });

  it('does not wait where there is no bound', () => expect(new Bandwidth(0).book(1e12, 0)).toBe(0));
});

describe('forEachOf', () => {
  it('runs as many jobs at a time as it is told, and all of them', async () => {
    let [running, most] = [0, 0];
    const seen: number[] = [];
    await forEachOf([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(item);
      running--;
    });
    expect(most).toBe(3);
    expect(seen.sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('expected failure: begins nothing new after one has failed', async () => {
    const begun: number[] = [];
    const job = async (item: number): Promise<void> => {
      begun.push(item);
      if (item === 1) throw new Error('no');
      await new Promise((resolve) => setImmediate(resolve));
    };
    await expect(forEachOf([1, 2, 3, 4, 5], 2, job)).rejects.toThrow('no');
    expect(begun).toEqual([1, 2]);
  });
});

describe('parseListen', () => {
  it('takes names, addresses and those in brackets', () => {
    expect(parseListen('node1:7000')).toEqual({ host: 'node1', port: 7000 });
    expect(parseListen('[::1]:7000')).toEqual({ host: '::1', port: 7000 });
  });

  it.each(['7000', 'host', 'host:x', ':1', 'host:70000'])('bad call: %s', (text) => {
    expect(() => parseListen(text)).toThrow(/not host:port/);
  });
});
