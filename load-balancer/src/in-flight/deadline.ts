/** When the controller gives up on an activation. Source: OpenWhisk `CommonLoadBalancer.scala`, forced completion. */
export interface DeadlineRules {
  /** `whisk.time-limit.std`, ms. */
  timeLimitStdMs: number;
  /** `whisk.loadbalancer.timeout-factor`. */
  timeoutFactor: number;
  /** `whisk.loadbalancer.timeout-addon`, ms. */
  timeoutAddonMs: number;
}

/** @param timeoutMs the action's time limit. @returns epoch ms */
export function controllerDeadlineMs(rules: DeadlineRules, timeoutMs: number, nowMs: number): number {
  return nowMs + Math.max(timeoutMs, rules.timeLimitStdMs) * rules.timeoutFactor + rules.timeoutAddonMs;
}
