/** Where a message is in its topic. Known in the first partition only, which is the one that topics of invokers have. */
export function positionOf(partition: number, offset: string | undefined): number | undefined {
  return partition === 0 && offset !== undefined ? Number(offset) : undefined;
}
