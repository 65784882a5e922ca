/** Keeps one processor busy until its parent ends it. */
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
const spin = (): void => {
  for (const untilMs = performance.now() + 50; performance.now() < untilMs;);
  setImmediate(spin);
};
spin();
