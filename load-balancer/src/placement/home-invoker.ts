/**
 * OpenWhisk's own choice of an invoker, which spreads actions and keeps each at home.
 * Source: `ShardingContainerPoolBalancer.scala` (`generateHash`, `pairwiseCoprimeNumbersUntil`, `schedule`).
 */

import { LRUCache } from 'lru-cache';

/** Java's `String.hashCode`: over UTF-16 units, 32-bit signed. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return hash;
}

/**
 * @param namespace the invoking namespace. @param action `namespace[/package]/name`, without version
 * @returns a non-negative number. Java's `abs` leaves the smallest integer negative, on which stock fails; it is 0
 *   here.
 */
export function homeHash(namespace: string, action: string): number {
  return Math.abs(javaHash(namespace) ^ javaHash(action)) % 0x80000000;
}

function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other);
}

/** The numbers up to `count` that are coprime to it and to each other: steps that visit every invoker. */
export function pairwiseCoprimes(count: number): number[] {
  const steps: number[] = [];
  for (let candidate = 1; candidate <= count; candidate += 1) {
    const coprime = [count, ...steps].every((other) => greatestCommonDivisor(candidate, other) === 1);
    if (coprime) steps.push(candidate);
  }
  return steps;
}

const STEPS_KEPT = 64;
const stepsByCount = new LRUCache<number, readonly number[]>({ max: STEPS_KEPT });

function stepsFor(count: number): readonly number[] {
  let steps = stepsByCount.get(count);
  if (steps === undefined) {
    steps = pairwiseCoprimes(count);
    stepsByCount.set(count, steps);
  }
  return steps;
}

/** Indexes in the order of the walk: home, home + step, ... (mod count), as many probes as stock makes. */
export function* homeWalk(hash: number, count: number): Generator<number> {
  if (count === 0) return;
  const steps = stepsFor(count);
  const step = steps[hash % steps.length] ?? 1;
  let index = hash % count;
  for (let probe = 0; probe < count + 2; probe += 1) {
    yield index;
    index = (index + step) % count;
  }
}

export interface Fractions {
  /** `whisk.loadbalancer.managed-fraction`, 0..1. */
  managedFraction: number;
  /** `whisk.loadbalancer.blackbox-fraction`, 0..1; raised where the two do not sum up to 1. */
  blackboxFraction: number;
}

/** The invokers that a managed kind, from the front, or a blackbox action, from the back, may use. */
export function invokersFor<T>(invokers: readonly T[], blackbox: boolean, fractions: Fractions): readonly T[] {
  const { managedFraction } = fractions;
  const blackboxFraction = Math.max(1 - managedFraction, fractions.blackboxFraction);
  const managed = Math.max(1, Math.ceil(invokers.length * managedFraction));
  const blackboxes = Math.max(1, Math.floor(invokers.length * blackboxFraction));
  return blackbox ? invokers.slice(-blackboxes) : invokers.slice(0, managed);
}
