import { MemoryRegistry } from '@tetris/common';
import { registryContract } from '../../support/registry-contract';

/** One registry is all the data, so both ends of a test share it. */
registryContract('MemoryRegistry', () => {
  const registry = new MemoryRegistry();
  return { connect: () => registry };
});
