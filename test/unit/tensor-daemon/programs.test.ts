/** What is started anew for each model loads little: a library more is a delay for every model, and memory beside it. */
import { build, stop } from 'esbuild';
import { join } from 'node:path';

const SOURCES = join(__dirname, '../../../tensor-daemon/src');
/** For settings, logs and metrics of a daemon; these programs have none. */
const NOT_FOR_THEM = ['zod', 'pino', 'prom-client', 'fastify'];

afterAll(stop);

it.each(['ingest/publish-worker', 'ingest/optimize-child', 'ingest/trial-child', 'transfer/fetch-worker'])(
  '%s loads no library that only the daemon itself needs',
  async (program) => {
    const { metafile } = await build({
      entryPoints: [join(SOURCES, `${program}.ts`)],
      bundle: true,
      metafile: true,
      write: false,
      platform: 'node',
      external: ['onnxruntime-node'],
      logLevel: 'silent',
    });
    const loaded = Object.keys(metafile.inputs);
    expect(loaded.length).toBeGreaterThan(1);
    expect(NOT_FOR_THEM.filter((name) => loaded.some((path) => path.includes(`node_modules/${name}/`)))).toEqual([]);
  },
);
