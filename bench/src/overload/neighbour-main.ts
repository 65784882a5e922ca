/** Keeps one processor busy for as many ms as each message says. Started by {@link Neighbour}. */
process.on('message', (forMs) => {
  const untilMs = performance.now() + (forMs as number);
  while (performance.now() < untilMs);
});
process.on('disconnect', () => process.exit());
