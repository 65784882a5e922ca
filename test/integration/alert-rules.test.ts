import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

const RULES = resolve(__dirname, '../../docs/monitoring/alerts.yml');

describe('the alert rules', () => {
  it('are rules to Prometheus', () => {
    expect(execFileSync('promtool', ['check', 'rules', RULES], { encoding: 'utf8' })).toMatch(/SUCCESS: 9 rules found/);
  });
});
