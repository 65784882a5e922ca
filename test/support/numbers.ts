/** The numbers of a JSON value in order, and the value with a mark in place of each. */
export function numbersOf(value: unknown): { numbers: number[]; rest: unknown } {
  const numbers: number[] = [];
  const rest: unknown = JSON.parse(JSON.stringify(value), (_key, part: unknown) => {
    if (typeof part !== 'number') return part;
    numbers.push(part);
    return '#';
  });
  return { numbers, rest };
}
