import { configSchema, key } from '@tetris/common';
import { RUNTIME_COMPONENT, RUNTIME_KEYS } from './keys';

/** The schema of the table in `keys.ts`, for the generated reference and for who starts instances. */
export const runtimeConfig = configSchema(
  RUNTIME_COMPONENT,
  Object.fromEntries(Object.entries(RUNTIME_KEYS).map(([name, row]) => [name, schemaOf(row)])),
);

function schemaOf({
  kind,
  fallback,
  unit,
  text,
}: (typeof RUNTIME_KEYS)[keyof typeof RUNTIME_KEYS]): ReturnType<(typeof key)[keyof typeof key]> {
  switch (kind) {
    case 'text':
      return key.text(fallback, unit, text);
    case 'integer':
      return key.integer(Number(fallback), unit, text);
    case 'bytes':
      return key.bytes(fallback, text);
    case 'flag':
      return key.flag(fallback === 'true', text);
    case 'list':
      return key.list(fallback === '' ? [] : fallback.split(','), unit, text);
  }
}
