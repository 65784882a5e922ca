import { parseBytes, TETRIS_KIND } from '@tetris/common';
import type { Environment, Facts } from '../facts';
import { type Answer, type Finding, skipped, well, wrong } from '../finding';

const TELL_OPENWHISK =
  'no environment of OpenWhisk: --controller and --invoker name containers of Docker or files of KEY=value lines';

const PACKAGE = 'org.apache.openwhisk.core';
/** By scheduler, what each of OpenWhisk's processes must be told; see docs/compatibility.md. */
const CLASSES = {
  sharding: {
    controller: {
      LoadBalancerProvider: `${PACKAGE}.loadBalancer.ShardingContainerPoolBalancer`,
      EntitlementSpiProvider: `${PACKAGE}.entitlement.LocalEntitlementProvider`,
    },
    invoker: {
      InvokerProvider: `${PACKAGE}.invoker.InvokerReactive`,
      InvokerServerProvider: `${PACKAGE}.invoker.DefaultInvokerServer`,
    },
  },
  fpc: {
    controller: {
      LoadBalancerProvider: `${PACKAGE}.loadBalancer.FPCPoolBalancer`,
      EntitlementSpiProvider: `${PACKAGE}.entitlement.FPCEntitlementProvider`,
    },
    invoker: {
      InvokerProvider: `${PACKAGE}.invoker.FPCInvokerReactive`,
      InvokerServerProvider: `${PACKAGE}.invoker.FPCInvokerServer`,
    },
  },
} as const;

/** What OpenWhisk 2.x takes where it is told nothing. */
const UNSET = 'unset, which means the new scheduler';

const valueOf = <T>(answer: Answer<T> | undefined): T | undefined =>
  answer !== undefined && 'value' in answer ? answer.value : undefined;

export function checkSpiClasses({ settings, controller, stockInvoker }: Facts): Finding {
  const check = 'spi-classes';
  const processes = { controller: valueOf(controller), invoker: valueOf(stockInvoker) };
  if (processes.controller === undefined && processes.invoker === undefined) return skipped(check, TELL_OPENWHISK);
  const balancer = valueOf(settings)?.balancer as { frontEnds?: readonly string[] } | undefined;
  const modes = balancer?.frontEnds ?? ['sharding'];
  for (const name of ['controller', 'invoker'] as const) {
    const environment = processes[name];
    if (environment === undefined) continue;
    for (const [spi, expected] of Object.entries(CLASSES.sharding[name])) {
      const variable = `CONFIG_whisk_spi_${spi}`;
      const given = environment[variable] ?? '';
      const other = CLASSES.fpc[name][spi as keyof (typeof CLASSES.fpc)[typeof name]] as string;
      const right =
        (modes.includes('sharding') && given === expected) ||
        (modes.includes('fpc') && (given === other || given === ''));
      if (right) continue;
      const wanted = modes.includes('sharding') ? expected : other;
      return wrong(check, `${variable} of the ${name} is ${given || UNSET}`, `set it to ${wanted} (openwhisk/l2.yml)`);
    }
  }
  return well(check, `as ${modes.join(' and ')} needs them`);
}

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** `5 m`, `300 s`, `2 minutes` in ms; undefined where it is no duration. */
function durationMs(text: string): number | undefined {
  const [, count = '', unit = ''] = /^\s*([\d.]+)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const short = unit === '' || /^milli|^ms$/i.test(unit) ? 'ms' : unit.slice(0, 1).toLowerCase();
  const factor = MILLISECONDS[short as keyof typeof MILLISECONDS];
  return count === '' || factor === undefined ? undefined : Number(count) * factor;
}

const megabytes = (text: string): number | undefined => {
  const bytes = parseBytes(text.replaceAll(/\s/g, ''));
  return bytes === undefined ? undefined : bytes / 1024 ** 2;
};

/** OpenWhisk's variable, how it is read, the key of the invoker extension, and its variable. */
const LIMITS = [
  ['CONFIG_whisk_memory_max', megabytes, 'memoryMaxMb', 'TETRIS_INVOKER_MEMORY_MAX_MB'],
  ['CONFIG_whisk_timeLimit_max', durationMs, 'timeoutMaxMs', 'TETRIS_INVOKER_TIMEOUT_MAX_MS'],
  ['CONFIG_whisk_logLimit_max', megabytes, 'logsMaxMb', 'TETRIS_INVOKER_LOGS_MAX_MB'],
  ['CONFIG_whisk_concurrencyLimit_max', Number, 'concurrencyMax', 'TETRIS_INVOKER_CONCURRENCY_MAX'],
  [
    'CONFIG_whisk_activation_payload_max',
    (text: string) => parseBytes(text.replaceAll(/\s/g, '')),
    'replyBytesMax',
    'TETRIS_INVOKER_REPLY_BYTES_MAX',
  ],
] as const;

export function checkLimits({ settings, controller }: Facts): Finding {
  const check = 'limits';
  const [environment, invoker] = [valueOf(controller), valueOf(settings)?.invoker];
  if (environment === undefined) return skipped(check, TELL_OPENWHISK);
  if (invoker === undefined) return skipped(check, 'no settings of an invoker extension: --settings FOLDER');
  for (const [variable, read, key, ours] of LIMITS) {
    const text = environment[variable];
    const allowed = text === undefined || text === '' ? undefined : read(text);
    if (allowed === undefined || allowed <= invoker[key]) continue;
    const found = `controllers allow ${variable}=${text}, the invoker extension ${ours}=${invoker[key]}`;
    return wrong(check, found, `raise ${ours} to ${allowed}: what only controllers allow fails when it runs`);
  }
  return well(check, 'controllers allow no more than the invoker extension');
}

interface Manifest {
  runtimes?: Record<string, { kind?: string; image?: { prefix?: string; name?: string; tag?: string } }[]>;
}

export function checkManifest({ settings, controller, stockInvoker }: Facts): Finding {
  const check = 'manifest';
  const given = { controllers: valueOf(controller), invokers: valueOf(stockInvoker) };
  const manifests = Object.entries(given).flatMap(([who, environment]) =>
    environment === undefined ? [] : [[who, parsed(environment)] as const],
  );
  if (manifests.length === 0) return skipped(check, TELL_OPENWHISK);
  const deploy =
    'deploy controllers and invokers with the file that runtimes-manifest.yml makes (-e tetris_manifest=...)';
  for (const [who, manifest] of manifests) {
    if (manifest === undefined) return wrong(check, `RUNTIMES_MANIFEST of ${who} is no JSON`, deploy);
    if (entryOf(manifest) === undefined) return wrong(check, `the manifest of ${who} lacks ${TETRIS_KIND}`, deploy);
  }
  const [first, second] = manifests;
  if (second !== undefined && JSON.stringify(first?.[1]) !== JSON.stringify(second[1])) {
    return wrong(check, 'controllers and invokers have unlike manifests', deploy);
  }
  const image = imageOf(first?.[1]);
  const ours = valueOf(settings)?.invoker?.dockerImage;
  if (ours !== undefined && ours !== '' && ours !== image) {
    const found = `the manifest says ${image}, the invoker extension ${ours}`;
    return wrong(check, found, 'give both the same tetris_deploy_image_tag');
  }
  return well(check, image);
}

function parsed(environment: Environment): Manifest | undefined {
  try {
    return JSON.parse(environment['RUNTIMES_MANIFEST'] ?? '') as Manifest;
  } catch {
    return undefined;
  }
}

const entryOf = (manifest: Manifest | undefined) =>
  Object.values(manifest?.runtimes ?? {})
    .flat()
    .find(({ kind }) => kind === TETRIS_KIND);

function imageOf(manifest: Manifest | undefined): string {
  const { prefix = '', name = '', tag = 'latest' } = entryOf(manifest)?.image ?? {};
  return `${prefix === '' ? '' : `${prefix}/`}${name}:${tag}`;
}
