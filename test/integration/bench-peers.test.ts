import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(__dirname, '../..');
const TIMEOUT_MS = 240_000;
const run = promisify(execFile);

interface Row {
  name: string;
  cells?: { functions: number; instances: number; mb: number }[];
  rate?: number;
}

describe('npm run bench -- peers', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bench-'));
    await run('sh', [join(ROOT, 'bench/peers/install.sh'), 'fork'], { timeout: TIMEOUT_MS });
  }, TIMEOUT_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it(
    'asks a server in Python and the platform the same, and gets the same answers',
    async () => {
      const json = join(folder, 'peers.json');
      const args = [join(ROOT, 'bench/dist/main.js'), 'peers', '--quick', '--json', json];
      await run(process.execPath, args, { timeout: TIMEOUT_MS });
      const result = JSON.parse(await readFile(json, 'utf8')) as { relativeErrorMax: number; rows: Row[] };
      expect(result.relativeErrorMax).toBeLessThan(1e-4);
      for (const peer of ['tetris', 'fork']) {
        const row = (what: string): Row | undefined => result.rows.find(({ name }) => name === `${what}/${peer}`);
        const [one, two] = row('memory/family/1')?.cells ?? [];
        expect(one).toMatchObject({ functions: 1, instances: 1 });
        expect(two?.mb).toBeGreaterThan(one?.mb ?? Infinity);
        expect(row('rate')?.rate).toBeGreaterThanOrEqual(0);
      }
    },
    TIMEOUT_MS,
  );

  it('bad call: names of peers that there are none of', async () => {
    await expect(run('sh', [join(ROOT, 'bench/peers/install.sh'), 'nginx'])).rejects.toMatchObject({ code: 2 });
  });
});
