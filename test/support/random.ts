/** Whole numbers from 0 to below a bound, which counts as 1 at least. */
export type Random = (below: number) => number;

/** The same seed gives the same numbers (xorshift). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % Math.max(1, below);
  };
}

/** Numbers from 0 to below 1; the same seed gives the same ones. */
export function fractionsFrom(seed: number): () => number {
  const random = randomFrom(seed);
  return () => random(2 ** 31) / 2 ** 31;
}

/** The seed of this file's random tests; told where one of them fails, and `TEST_SEED` repeats it. */
export function testSeed(): number {
  const scope = globalThis as { testSeed?: number; testSeedIsUsed?: boolean };
  scope.testSeedIsUsed = true;
  return scope.testSeed ?? 1;
}

/**
 * The seed of tests whose bounds hold for most courses of events, not for each: the same every time, so that what fails
 * is a change. `TEST_SEED` takes another.
 */
export function fixedSeed(): number {
  return Number(process.env['TEST_SEED'] ?? 20_221);
}
