/** The one rule of every stage: load balancer, invoker and function instance. Pure. */

/** When an answer will be there, of what is begun now behind other work; epoch ms. */
export const answerMs = (nowMs: number, { beforeMs, tailMs }: { beforeMs: number; tailMs: number }): number =>
  nowMs + beforeMs + tailMs;

/**
 * Whether a request is answered in time.
 *
 * @param beforeMs time that the work takes which is before it, ms
 * @param tailMs time that a slow execution of it takes, ms
 * @param dueMs when its answer is due, epoch ms; infinite where it has no objective
 */
export const isTimely = (nowMs: number, beforeMs: number, tailMs: number, dueMs: number): boolean =>
  answerMs(nowMs, { beforeMs, tailMs }) <= dueMs;
