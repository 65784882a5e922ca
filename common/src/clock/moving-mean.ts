/**
 * A mean in which what is old counts less and less.
 * @param before undefined where there is none yet
 * @param weight of the newest, above 0 and at most 1
 */
export function movingMean(before: number | undefined, newest: number, weight: number): number {
  return before === undefined ? newest : before + weight * (newest - before);
}
