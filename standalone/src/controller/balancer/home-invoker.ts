/** Where stock looks first. Source: `K/loadBalancer/ShardingContainerPoolBalancer.scala`. */

/** Java's `String.hashCode`. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index += 1) hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0;
  return hash;
}

/** @param action `namespace[/package]/action`, without version */
export function homeHash(namespace: string, action: string): number {
  return Math.abs(javaHash(namespace) ^ javaHash(action));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Numbers up to `limit` that are coprime to it and to each other: steps that visit every invoker. */
export function stepSizes(limit: number): number[] {
  const steps: number[] = [];
  for (let candidate = 1; candidate <= limit; candidate += 1) {
    if (gcd(candidate, limit) === 1 && steps.every((step) => gcd(step, candidate) === 1)) steps.push(candidate);
  }
  return steps;
}

/** The order in which invokers are asked: `count + 2` probes, then stock gives up. Indexes within [0, count). */
export function* probes(hash: number, count: number): Generator<number, void, void> {
  const steps = stepSizes(count);
  const step = steps[hash % steps.length] ?? 1;
  for (let probe = 0, index = hash % count; probe < count + 2; probe += 1) {
    yield index;
    index = (index + step) % count;
  }
}

/** Shares of the invokers that serve managed kinds and blackbox actions. */
export interface Fractions {
  /** @default 0.9 */
  managed: number;
  /** @default 0.1 */
  blackbox: number;
}

/** The invokers of a kind of action, as `[first, count]`: managed ones from the front, blackbox ones from the back. */
export function invokerRange(total: number, managed: boolean, fractions: Fractions): [first: number, count: number] {
  const blackbox = Math.max(1 - fractions.managed, fractions.blackbox);
  if (managed) return [0, Math.min(total, Math.max(1, Math.ceil(total * fractions.managed)))];
  const count = Math.min(total, Math.max(1, Math.floor(total * blackbox)));
  return [total - count, count];
}
