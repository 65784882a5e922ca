/**
 * Error texts: those that users and tools know from the stock invoker (source: `C/http/ErrorResponse.scala` Messages),
 * and those of refusals, which stock has none for.
 */

const mib = (bytes: number): number => Math.ceil(bytes / 1024 ** 2);

const withBody = (text: string, body: string): string => (body === '' ? `${text}.` : `${text}: ${body}`);

export const TEXTS = {
  namespaceBlacklisted: 'The action was not invoked due to a blacklisted namespace.',
  actionRemoved: 'Action could not be found or may have been deleted.',
  actionMismatch: 'Action version is not compatible and cannot be invoked.',
  actionFetchFailed: 'Action could not be fetched.',
  provisionFailed: 'Failed to provision resources to run the action.',
  abnormalInit: 'The action did not initialize and exited unexpectedly.',
  abnormalRun: 'The action did not produce a valid response and exited unexpectedly.',
  memoryExhausted: 'The action exhausted its memory and was aborted.',
  /** Follows one of the two before it, where any of several activations may have been the cause. */
  inCompany: (others: number, mayAskForRetry: boolean) =>
    ` It shared its instance with ${others} other${others === 1 ? '' : 's'}, any of which may be the cause.` +
    (mayAskForRetry ? ' With annotation tetris-retry the action is run once more in such a case, alone.' : ''),
  logFailure: 'There was an issue while collecting your logs. Data might be missing.',
  logDeveloperError: 'The action did not initialize or run as expected. Log data might be missing.',
  invalidInit: (body: string) => withBody('The action failed during initialization', body),
  invalidRun: (body: string) => withBody('The action did not produce a valid JSON response', body),
  queueFull: 'The invoker has too many waiting activations.',
  stopping: 'The invoker is stopping.',
  waitedTooLong: (missingBytes: number, budgetBytes: number) =>
    missingBytes === 0
      ? 'The invoker had no room for the action in time.'
      : `The invoker had no room for the action in time: ${mib(missingBytes)} MiB were missing of its ${mib(budgetBytes)} MiB.`,
  neverFits: (missingBytes: number, budgetBytes: number) =>
    `The action needs ${mib(missingBytes)} MiB more memory than the ${mib(budgetBytes)} MiB that the invoker has.`,
  timedOut: (timeoutMs: number, during: 'init' | 'run') =>
    `The action exceeded its time limits of ${timeoutMs} milliseconds${during === 'init' ? ' during initialization.' : '.'}`,
  truncatedResponse: (start: string, bytes: number, bytesMax: number) =>
    `The action produced a response that exceeded the allowed length: ${bytes} > ${bytesMax} bytes. The truncated response was: ${start}`,
  truncatedLogs: (bytesMax: number) =>
    `Logs were truncated because the total bytes size exceeds the limit of ${bytesMax} bytes.`,
} as const;
