// An inference worker that answers the way the session id says, to show that every request ends all the same.
const { BlockList } = require('node:net');
const { parentPort } = require('node:worker_threads');

/** An object that can be sent, and not be read where it arrives. */
function unreadable() {
  const object = new BlockList();
  const prototype = Object.getPrototypeOf(object);
  const symbols = [...Object.getOwnPropertySymbols(object), ...Object.getOwnPropertySymbols(prototype)];
  const clone = symbols.find(({ description }) => description === 'messaging_clone_symbol');
  Object.defineProperty(object, clone, { value: () => ({ data: {}, deserializeInfo: 'no/such:Class' }) });
  return object;
}

module.exports = { unreadable };

let received = 0;
parentPort?.on('message', ({ sessionId }) => {
  const id = ++received;
  if (sessionId === 1) parentPort.postMessage({ id, ok: true, outputs: {} });
  if (sessionId === 2) parentPort.postMessage({ id, ok: true, outputs: unreadable() });
  if (sessionId === 3) process.exit(7);
  if (sessionId === 4) throw new Error('thrown past every promise');
});
