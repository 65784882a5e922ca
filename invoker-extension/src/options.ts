/** What the parts of an invoker take, from its configuration. */
import { invokerInstanceId, PluginError } from '@tetris/common';
import type { InvokerConfig } from './config';
import type { PoolOptions } from './instances/pool';
import type { IntakeOptions } from './messages/intake';
import { groupStartsMaxOf } from './scaling/scaling-config';

/** As it calls itself in pings and acks. */
export function instanceIdOf(config: InvokerConfig): ReturnType<typeof invokerInstanceId> {
  const { instance, memory, advertisedMemory, uniqueName } = config;
  const advertised = advertisedMemory === 0 ? memory : advertisedMemory;
  return invokerInstanceId(instance, advertised, uniqueName === '' ? `tetris${instance}` : uniqueName);
}

export function poolOptions(config: InvokerConfig): PoolOptions {
  const { memory, inFlightMax, waitingMax, waitMaxMs, patienceMs, startsMax, barredMs, pauseGraceMs } = config;
  const { sleepAfterMs, endProcessAfterMs, sleepPressurePercent } = config;
  return {
    budgetBytes: memory,
    waitingMax: Math.min(waitingMax, Math.max(1, inFlightMax - 1)),
    waitMaxMs,
    patienceMs,
    startsMax,
    groupStartsMax: groupStartsMaxOf(config),
    barredMs,
    pauseGraceMs,
    idle: { sleepAfterMs, endProcessAfterMs, sleepPressure: sleepPressurePercent / 100 },
  };
}

export function boundsOf(config: InvokerConfig): IntakeOptions['bounds'] {
  return {
    timeoutMs: { min: config.timeoutMinMs, max: config.timeoutMaxMs },
    memoryMb: { min: config.memoryMinMb, max: config.memoryMaxMb },
    logsMb: { min: config.logsMinMb, max: config.logsMaxMb },
    concurrency: { min: config.concurrencyMin, max: config.concurrencyMax },
  };
}

export function containerEnvironment({ apiHost }: InvokerConfig): Record<string, string> {
  return { __OW_ALLOW_CONCURRENT: 'true', ...(apiHost === '' ? {} : { __OW_API_HOST: apiHost }) };
}

/** @throws PluginError `ERR_CONFIG_INVALID` */
export function parameterKeyOf({ parameterKey }: InvokerConfig): Buffer | undefined {
  if (parameterKey === '') return undefined;
  const bytes = Buffer.from(parameterKey, 'base64');
  if (bytes.length === 16 || bytes.length === 32) return bytes;
  throw new PluginError('ERR_CONFIG_INVALID', `TETRIS_INVOKER_PARAMETER_KEY has ${bytes.length} bytes, not 16 or 32`);
}
