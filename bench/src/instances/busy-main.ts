/** Keeps one core busy until it is ended, or whoever started it is gone. */
process.on('disconnect', () => process.exit());

function work(): void {
  const untilMs = performance.now() + 20;
  while (performance.now() < untilMs);
  setImmediate(work);
}

work();
