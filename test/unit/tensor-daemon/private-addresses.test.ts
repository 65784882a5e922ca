import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { guardedLookup, isPrivateAddress } from '../../../tensor-daemon/src/source/private-addresses';

jest.mock('node:dns', () => ({ lookup: jest.fn() }));

/** What the resolver says from now on, one answer a question. */
function resolver(...answers: LookupAddress[][]): jest.Mock {
  const mock = lookup as unknown as jest.Mock;
  mock.mockReset();
  for (const answer of answers) {
    mock.mockImplementationOnce((_name: string, _options: object, callback: (...args: unknown[]) => void) =>
      callback(null, answer),
    );
  }
  return mock;
}

function ask(options: object): Promise<unknown[]> {
  return new Promise((resolve) => guardedLookup('models.example', options, (...args) => resolve(args)));
}

const PUBLIC = { address: '93.184.216.34', family: 4 };
const LOOPBACK = { address: '127.0.0.1', family: 4 };

describe('isPrivateAddress', () => {
  it.each([
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1'],
    ...['172.31.255.255', '192.168.0.1', '192.0.2.1', '198.18.0.1', '203.0.113.9', '224.0.0.1', '255.255.255.255'],
    ...['::', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a00:1', '::7f00:1', '0:0:0:0:0:ffff:169.254.169.254'],
    ...['64:ff9b::7f00:1', '2002:7f00:1::', 'fc00::1', 'fd12:3456::1', 'fe80::1', 'fec0::1', 'ff02::1', '2001:db8::1'],
  ])('counts %s as private', (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });

  it.each([
    ...['8.8.8.8', '93.184.216.34', '172.15.0.1', '172.32.0.1', '100.128.0.1', '169.253.0.1', '::ffff:8.8.8.8'],
    ...['2606:2800:220:1::1', '2a00:1450::1'],
  ])('counts %s as public', (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });
});

describe('guardedLookup', () => {
  it('hands the connection the addresses that were checked, and asks once: a name that changes its mind gains nothing', async () => {
    const asked = resolver([PUBLIC], [LOOPBACK]);
    expect(await ask({ all: true })).toEqual([null, [PUBLIC]]);
    expect(asked).toHaveBeenCalledTimes(1);
    const [error] = await ask({ all: true });
    expect(String(error)).toContain("'models.example' resolves to the private address 127.0.0.1");
  });

  it('gives a single address to callers that ask for one', async () => {
    resolver([PUBLIC]);
    expect(await ask({})).toEqual([null, PUBLIC.address, 4]);
  });

  it('expected failure: refuses a name of which any address is private', async () => {
    resolver([PUBLIC, LOOPBACK], [PUBLIC, { address: '::ffff:10.0.0.1', family: 6 }]);
    for (let count = 0; count < 2; count++) expect(String((await ask({ all: true }))[0])).toContain('private address');
  });

  it('expected failure: passes on that a name does not resolve', async () => {
    (lookup as unknown as jest.Mock).mockImplementationOnce(
      (_name: string, _options: object, callback: Parameters<LookupFunction>[2]) =>
        callback(new Error('there is no such name'), []),
    );
    expect(String((await ask({ all: true }))[0])).toContain('no such name');
  });
});
