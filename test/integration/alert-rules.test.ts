import { execFileSync, spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const RULES = resolve(__dirname, '../../docs/monitoring/alerts.yml');

const lacking = spawnSync('promtool', ['--version']).error !== undefined && process.env['CI'] !== 'true';

describe('the alert rules', () => {
  (lacking ? it.skip : it)('are rules to Prometheus (apt-get install -y --no-install-recommends prometheus)', () => {
    expect(execFileSync('promtool', ['check', 'rules', RULES], { encoding: 'utf8' })).toMatch(/SUCCESS: 9 rules found/);
  });
});
