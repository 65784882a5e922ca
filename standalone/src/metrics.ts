/** The metrics of every component as one text for Prometheus, at `/metrics` of the REST API's address. */
import type { FastifyInstance } from 'fastify';
import type { StandaloneConfig } from './config';
import { RestError } from './controller/rest-error';

/** What one component tells, and what tells it from others of its kind. */
export interface Exposition {
  labels: Readonly<Record<string, string>>;
  /** In the text format of Prometheus. */
  text: string;
}

interface Family {
  /** `# HELP` and `# TYPE`, once. */
  head: string[];
  samples: string[];
}

/** A metric that several components have is described once, and its samples stand together, as the format asks. */
export function mergeExpositions(expositions: readonly Exposition[]): string {
  const families = new Map<string, Family>();
  for (const { labels, text } of expositions) {
    const added = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    let family: Family | undefined;
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const described = /^# (?:HELP|TYPE) (\S+)/.exec(line)?.[1];
      if (described === undefined) {
        family?.samples.push(labelled(line, added));
        continue;
      }
      family = families.get(described) ?? { head: [], samples: [] };
      families.set(described, family);
      if (!family.head.includes(line)) family.head.push(line);
    }
  }
  return [...families.values()].map(({ head, samples }) => `${[...head, ...samples].join('\n')}\n`).join('\n');
}

/** `name 1` or `name{a="b"} 1` with more labels. */
function labelled(sample: string, added: readonly string[]): string {
  if (added.length === 0) return sample;
  const [, name = '', rest = ''] = /^([a-zA-Z_:][\w:]*)(.*)$/.exec(sample) ?? [];
  const own = rest.startsWith('{') ? rest.slice(1) : `}${rest}`;
  return `${name}{${added.join(',')}${own.startsWith('}') ? '' : ','}${own}`;
}

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

type Readers = StandaloneConfig['metrics'];

/** @param address of whoever asks */
export const mayRead = (readers: Readers, address: string): boolean =>
  readers === 'anyone' || (readers === 'loopback' && LOOPBACK.test(address));

/** @param read the whole text, asked for with each request */
export function serveMetrics(server: FastifyInstance, readers: Readers, read: () => Promise<string>): void {
  if (readers === 'off') return;
  server.get('/metrics', async ({ ip }, reply) => {
    if (mayRead(readers, ip)) return reply.type(CONTENT_TYPE).send(await read());
    throw new RestError(403, 'Metrics are for this machine only; see TETRIS_STANDALONE_METRICS.');
  });
}
