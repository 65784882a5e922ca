/** Error texts that users and tools know from the stock invoker. Source: `C/http/ErrorResponse.scala` Messages. */

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
  logFailure: 'There was an issue while collecting your logs. Data might be missing.',
  logDeveloperError: 'The action did not initialize or run as expected. Log data might be missing.',
  invalidInit: (body: string) => withBody('The action failed during initialization', body),
  invalidRun: (body: string) => withBody('The action did not produce a valid JSON response', body),
  timedOut: (timeoutMs: number, during: 'init' | 'run') =>
    `The action exceeded its time limits of ${timeoutMs} milliseconds${during === 'init' ? ' during initialization.' : '.'}`,
  truncatedResponse: (start: string, bytes: number, bytesMax: number) =>
    `The action produced a response that exceeded the allowed length: ${bytes} > ${bytesMax} bytes. The truncated response was: ${start}`,
  truncatedLogs: (bytesMax: number) =>
    `Logs were truncated because the total bytes size exceeds the limit of ${bytesMax} bytes.`,
} as const;
