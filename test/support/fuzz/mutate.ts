/** Inputs near to good ones, from a seed: what a parser has not seen yet, and not what it refuses at the first byte. */
import type { Random } from '../random';

const BYTES = [0x00, 0x01, 0x0a, 0x0d, 0x20, 0x22, 0x2f, 0x3b, 0x7b, 0x7c, 0x7f, 0x80, 0xff];
const TOKENS = [
  ...['9007199254740992', '18446744073709551616', '-1', '1e309', 'NaN', '0x10', 'null', 'true', '""', '{}', '[[[['],
  ...['../', '/', '\0', '..\\', '%2e%2e/', 'file:///etc/passwd', '__proto__', 'constructor', '\u202e', 'location'],
  ...['\r\n', '\r\n\r\n', '0\r\n\r\n', 'content-length: 99999\r\n', 'transfer-encoding: chunked\r\n'],
  ...['\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01', '\x80\x80\x80\x80\x10', 'a'.repeat(5_000)],
].map((text) => Buffer.from(text, 'latin1'));
const CHANGES_MAX = 6;
const RANGE_MAX = 64;

type Change = (input: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

const CHANGES: readonly Change[] = [
  function flip(input, random) {
    const at = random(input.length);
    const copy = Buffer.from(input);
    if (copy.length > 0) copy[at] = (copy[at] ?? 0) ^ (1 << random(8));
    return copy;
  },
  function overwrite(input, random) {
    const copy = Buffer.from(input);
    if (copy.length > 0) copy[random(copy.length)] = BYTES[random(BYTES.length)] ?? 0;
    return copy;
  },
  function remove(input, random) {
    const at = random(input.length);
    return Buffer.concat([input.subarray(0, at), input.subarray(at + random(RANGE_MAX))]);
  },
  function repeat(input, random) {
    const at = random(input.length);
    const range = input.subarray(at, at + random(RANGE_MAX));
    return Buffer.concat([input.subarray(0, at), range, range, input.subarray(at)]);
  },
  function truncate(input, random) {
    return input.subarray(0, random(input.length));
  },
  function insert(input, random) {
    const at = random(input.length);
    return Buffer.concat([input.subarray(0, at), TOKENS[random(TOKENS.length)] ?? input, input.subarray(at)]);
  },
  function splice(input, random, others) {
    const other = others[random(others.length)] ?? input;
    return Buffer.concat([input.subarray(0, random(input.length)), other.subarray(random(other.length))]);
  },
  function renumber(input, random) {
    const numbers = [...input.toString('latin1').matchAll(/\d+/g)];
    const match = numbers[random(numbers.length)];
    if (match === undefined) return input;
    const token = String(random(2) === 0 ? random(100_000) : 2 ** random(70));
    const text = input.toString('latin1');
    return Buffer.from(`${text.slice(0, match.index)}${token}${text.slice(match.index + match[0].length)}`, 'latin1');
  },
];

/** One of the seeds, changed in a few places. */
export function mutate(seeds: readonly Buffer[], random: Random): Buffer {
  let input = seeds[random(seeds.length)] ?? Buffer.alloc(0);
  for (let count = 1 + random(CHANGES_MAX); count > 0; count--) {
    input = CHANGES[random(CHANGES.length)]?.(input, random, seeds) ?? input;
  }
  return input;
}
