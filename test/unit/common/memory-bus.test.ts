import { createLogger, MemoryBus } from '@tetris/common';
import { busContract } from '../../support/bus-contract';

/** One bus is the whole broker, so both ends of a test share it. */
busContract('MemoryBus', () => {
  const bus = new MemoryBus(createLogger('test', 'silent'));
  return { connect: () => bus };
});
