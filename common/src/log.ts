import { createRequire } from 'node:module';
import { type DestinationStream, pino, type Logger as PinoLogger } from 'pino';
import type Pretty from 'pino-pretty';

/** Structured log lines: one per event, message constant, values as fields. No secrets, no tensor data. */
export type Logger = PinoLogger;

/**
 * Makes a component's logger on stderr: JSON lines, or lines for people where a terminal shows them.
 * @param level pino level. `silent` in tests.
 */
export function createLogger(component: string, level = 'info'): Logger {
  const destination = process.stderr.isTTY ? forPeople() : undefined;
  return pino(
    { base: { component }, level, timestamp: pino.stdTimeFunctions.isoTime },
    destination ?? pino.destination({ dest: 2, sync: true }),
  );
}

/**
 * `12:30:01 WARN standalone: tensor daemon ended code=1`; undefined where the package is not installed, as in images.
 */
function forPeople(): DestinationStream | undefined {
  try {
    const pretty = createRequire(__filename)('pino-pretty') as typeof Pretty;
    return pretty.build({
      destination: 2,
      sync: true,
      colorize: process.stderr.hasColors(),
      translateTime: 'SYS:HH:MM:ss',
      ignore: 'component',
      messageFormat: '{component}: {msg}',
      singleLine: true,
    });
  } catch {
    return undefined;
  }
}
