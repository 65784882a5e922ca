/** The bench's figures of containers, against an engine of the test's own. `TEST_BENCH_WHOLE=1` measures them in full. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { engineOfTests, RUNTIME_IMAGE } from '../support/docker/engine';
import { inNamespace, namespaceFolder, note } from '../support/docker/namespace';

const ROOT = resolve(__dirname, '../..');
const MEASURING_MS = 400_000;

inNamespace(__filename, () => {
  const engine = engineOfTests();

  it(
    'the next container is charged for what is its own, and a stem cell answers before a plain container',
    async () => {
      const folder = mkdtempSync(join(namespaceFolder(), 'bench-'));
      for (const path of [namespaceFolder(), folder]) chmodSync(path, 0o755);
      const file = join(folder, 'figures.json');
      const isWhole = process.env['TEST_BENCH_WHOLE'] !== undefined;
      const options = ['--only', 'dockerNextMiB', '--json', file, ...(isWhole ? [] : ['--quick'])];
      await promisify(execFile)(process.execPath, ['bench/dist/main.js', 'instances', ...options], {
        cwd: ROOT,
        timeout: MEASURING_MS,
        env: {
          ...process.env,
          TMPDIR: folder,
          DOCKER_HOST: `unix://${engine().socketPath}`,
          TETRIS_INVOKER_DOCKER_IMAGE: RUNTIME_IMAGE,
        },
      });
      const figures = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>;
      note(`bench instances: ${JSON.stringify(figures)}`);
      expect(figures['dockerNextMiB']).toBeGreaterThan(1);
      expect(figures['dockerStemAnswerMs']).toBeGreaterThan(0);
      expect(figures['dockerStemAnswerRatio']).toBeGreaterThan(0);
    },
    MEASURING_MS,
  );
});
