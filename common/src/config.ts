/**
 * Configuration: one zod schema a component, read once from the environment, frozen, with every problem listed.
 *
 * The environment name of key `socketPath` of component `daemon` is `TETRIS_DAEMON_SOCKET_PATH`. The empty string
 * counts as unset, because Ansible's `default()` renders unset variables as such.
 */
import { z } from 'zod';
import { environmentName, parseBytes } from './environment';
import { PluginError } from './errors';

export { environmentName, parseBytes };

/** What the generated `docs/configuration.md` says about a key. */
export interface KeyInfo {
  /** ms, bytes, count, ratio, path, text, ... */
  unit: string;
  /** One sentence: what it does, and its bounds against other keys. */
  text: string;
}

type Shape = Record<string, z.ZodType>;

/** A component's schema with the name that prefixes its environment variables. */
export interface ConfigSchema<S extends Shape = Shape> {
  readonly component: string;
  readonly schema: z.ZodObject<S>;
}

/** Declares a component's configuration. Keys are made by {@link key}. */
export function configSchema<S extends Shape>(component: string, shape: S): ConfigSchema<S> {
  return { component, schema: z.object(shape) };
}

/** What a key takes, in words: every refusal of a value says it. */
const takes = (what: string): { error: string } => ({ error: `takes ${what}` });

function rangeText(what: string, min: number, max: number, unbounded: number): string {
  return max === unbounded ? `${what} from ${min}` : `${what} from ${min} to ${max}`;
}

/** Makers of keys: every key has a type, a default, a unit and a text. */
export const key = {
  /** An integer within [min, max]. */
  integer(fallback: number, unit: string, text: string, range: { min?: number; max?: number } = {}) {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = range;
    const says = takes(rangeText('a whole number', min, max, Number.MAX_SAFE_INTEGER));
    return z.coerce.number(says).int(says).min(min, says).max(max, says).default(fallback).meta({ unit, text });
  },
  /** A number within [min, max]. */
  number(fallback: number, unit: string, text: string, range: { min?: number; max?: number } = {}) {
    const { min = 0, max = Number.MAX_VALUE } = range;
    const says = takes(rangeText('a number', min, max, Number.MAX_VALUE));
    return z.coerce.number(says).min(min, says).max(max, says).default(fallback).meta({ unit, text });
  },
  /** A size such as `512m`, `4g`, `100 MB` or a plain number of bytes, at least `min`. Powers of 1024. */
  bytes(fallback: string, text: string, { min = '0' }: { min?: string } = {}) {
    const least = parseBytes(min) ?? 0;
    const says = `takes a size such as 512m or 4g${least === 0 ? '' : `, at least ${min}`}`;
    return z
      .union([z.number(), z.string()])
      .transform((value, context) => {
        const bytes = parseBytes(value);
        if (bytes !== undefined && bytes >= least) return bytes;
        context.addIssue({ code: 'custom', message: says });
        return z.NEVER;
      })
      .prefault(fallback)
      .meta({ unit: 'bytes', text });
  },
  /** true/false, yes/no, on/off, 1/0. */
  flag(fallback: boolean, text: string) {
    return z
      .union([z.boolean(), z.stringbool()], takes('true or false'))
      .default(fallback)
      .meta({ unit: 'true or false', text });
  },
  text(fallback: string, unit: string, text: string) {
    return z.string().default(fallback).meta({ unit, text });
  },
  /**
   * A comma-separated list.
   * @param problemOf what is wrong with an item, in words that name it; undefined for a good one
   */
  list(
    fallback: readonly string[],
    unit: string,
    text: string,
    problemOf: (item: string) => string | undefined = () => undefined,
  ) {
    return z
      .union([z.array(z.string()), z.string().transform((value) => value.split(',').map((item) => item.trim()))])
      .transform((items, context) => {
        const kept = items.filter((item) => item !== '');
        for (const [index, item] of kept.entries()) {
          const message = problemOf(item);
          if (message !== undefined) context.addIssue({ code: 'custom', message, path: [index] });
        }
        return kept;
      })
      .prefault([...fallback])
      .meta({ unit: `list of ${unit}`, text });
  },
  oneOf<const T extends readonly [string, ...string[]]>(values: T, fallback: T[number], text: string) {
    return z
      .enum(values, takes(values.join(', ')))
      .default(fallback as never)
      .meta({ unit: values.join(' or '), text });
  },
};

/**
 * Reads a component's configuration.
 *
 * @param overrides values from command-line flags; they win over the environment.
 * @param flags what those flags are called, by key
 * @throws PluginError `ERR_CONFIG_INVALID` that lists every bad key by the name of its flag, where it came from one,
 *   else by its environment name, and every unknown variable with the component's prefix (a misspelt key must not be
 *   lost in silence).
 */
export function readConfig<S extends Shape>(
  { component, schema }: ConfigSchema<S>,
  env: Readonly<Record<string, string | undefined>>,
  overrides: Readonly<Record<string, unknown>> = {},
  flags: Readonly<Record<string, string>> = {},
): Readonly<z.infer<z.ZodObject<S>>> {
  const input: Record<string, unknown> = {};
  const known = new Set<string>();
  for (const name of Object.keys(schema.shape)) {
    const variable = environmentName(component, name);
    known.add(variable);
    const value = overrides[name] ?? env[variable];
    if (value !== undefined && value !== '') input[name] = value;
  }
  const prefix = environmentName(component, '');
  const problems = Object.keys(env)
    .filter((variable) => variable.startsWith(prefix) && !known.has(variable))
    .map((variable) => `${variable}: no such key`);
  const parsed = schema.safeParse(input);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      const name = String(issue.path[0] ?? '');
      const flag = overrides[name] === undefined ? undefined : flags[name];
      // An item of a list is named by its own problem: the whole list may hold secrets.
      const told = issue.path.length > 1 ? issue.message : withValue(issue.message, input[name]);
      problems.push(`${flag ?? environmentName(component, name)}: ${told}`);
    }
  }
  if (problems.length > 0 || !parsed.success) {
    throw new PluginError(
      'ERR_CONFIG_INVALID',
      `configuration of ${component} is invalid:\n  ${problems.join('\n  ')}`,
    );
  }
  return Object.freeze(parsed.data);
}

/** What was given, where it can be shown in a line. */
function withValue(message: string, value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? `${message}; got '${value}'` : message;
}

/** One row of the generated reference. */
export interface ConfigRow extends KeyInfo {
  variable: string;
  fallback: string;
}

/** Every key of a schema as rows for `docs/configuration.md`. */
export function describeConfig({ component, schema }: ConfigSchema): ConfigRow[] {
  return Object.entries(schema.shape).map(([name, type]) => {
    const info = (type.meta() ?? {}) as Partial<KeyInfo>;
    const { defaultValue } = type._zod.def as { defaultValue?: unknown };
    const fallback = Array.isArray(defaultValue)
      ? defaultValue.join(',')
      : String((defaultValue as string | number | boolean | undefined) ?? '');
    return { variable: environmentName(component, name), unit: info.unit ?? '', text: info.text ?? '', fallback };
  });
}
