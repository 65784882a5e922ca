import { pino, type Logger as PinoLogger } from 'pino';

/** Structured JSON log lines: one per event, message constant, values as fields. No secrets, no tensor data. */
export type Logger = PinoLogger;

/**
 * Makes a component's logger on stderr.
 * @param level pino level. `silent` in tests.
 */
export function createLogger(component: string, level = 'info'): Logger {
  return pino(
    { base: { component }, level, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
