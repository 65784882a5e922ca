import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** IPv4 addresses written as IPv6 ones in the way of old, which ipaddr.js does not single out. */
const IPV4_COMPATIBLE = ipaddr.IPv6.parseCIDR('::/96');

/** True for an address outside the public Internet. An IPv4 address mapped into IPv6 counts as what it is. */
export function isPrivateAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return true;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv6 && parsed.match(IPV4_COMPATIBLE)) return true;
  return parsed.range() !== 'unicast';
}

/**
 * Resolves a name for one connection and refuses it when any of its addresses is private. The connection is made to
 * the addresses checked here, so a name that changes its mind afterwards gains nothing.
 */
export const guardedLookup: LookupFunction = (hostname, options: LookupOptions, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error !== null) {
      callback(error, []);
      return;
    }
    const refused = addresses.find(({ address }) => isPrivateAddress(address));
    if (refused !== undefined) {
      callback(new Error(`'${hostname}' resolves to the private address ${refused.address}`), []);
      return;
    }
    const [first] = addresses;
    if (options.all === true) callback(null, addresses);
    else callback(null, first?.address ?? '', first?.family ?? 4);
  });
};
