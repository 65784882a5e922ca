/** The kinds that actions may have. Source: `C/core/entity/ExecManifest.scala`. */
export interface Kind {
  kind: string;
  image: { prefix?: string; name: string; tag?: string };
  default: boolean;
  deprecated: boolean;
}

/** Family to kinds, as `GET /` shows them. */
export const RUNTIMES: Readonly<Record<string, readonly Kind[]>> = {
  nodejs: [
    { kind: 'nodejs:20', image: { prefix: 'openwhisk', name: 'action-nodejs-v20' }, default: true, deprecated: false },
    {
      kind: 'nodejs:tetris',
      image: { prefix: 'tetris', name: 'action-nodejs-tetris' },
      default: false,
      deprecated: false,
    },
  ],
};

export const KINDS: readonly string[] = Object.values(RUNTIMES)
  .flat()
  .map(({ kind }) => kind);

/** `nodejs:default` -> `nodejs:20`; undefined for a kind that is not served. */
export function resolveKind(name: string): string | undefined {
  const wanted = name.toLowerCase();
  const [family = '', version] = wanted.split(':');
  if (version === 'default') return RUNTIMES[family]?.find((kind) => kind.default)?.kind;
  return KINDS.find((kind) => kind === wanted);
}

/** The kind of health tests. */
export const DEFAULT_NODE_KIND = 'nodejs:20';

/** `runtimes` of `GET /`. */
export function describeRuntimes(): Record<string, object[]> {
  const describe = ({ kind, image, deprecated, default: isDefault }: Kind): object => ({
    kind,
    image: [image.prefix, image.name].filter((part) => part !== undefined).join('/'),
    deprecated,
    default: isDefault,
    attached: true,
    requireMain: false,
  });
  return Object.fromEntries(Object.entries(RUNTIMES).map(([family, kinds]) => [family, kinds.map(describe)]));
}
