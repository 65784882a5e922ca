import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OBJECTIVE_SECONDS, objectiveClass, VERSION } from '@tetris/common';
import { addProcessMetrics } from '@tetris/common/metrics';
import { Registry } from 'prom-client';

const ROOT = join(__dirname, '../../..');

describe('metrics of every process', () => {
  it('begin with the name of the component, so that two of one node can stand in one answer', async () => {
    const registry = new Registry();
    addProcessMetrics(registry, 'daemon', { onnxruntime: '1.2.3' });
    const names = registry.getMetricsAsArray().map(({ name }) => name);
    expect(names).toContain('tetris_daemon_process_resident_memory_bytes');
    expect(names.filter((name) => !name.startsWith('tetris_daemon_'))).toEqual([]);
    const told = `tetris_daemon_build_info{version="${VERSION}",node="${process.version}",onnxruntime="1.2.3"} 1`;
    expect(await registry.getSingleMetricAsString('tetris_daemon_build_info')).toContain(told);
  });

  it('tell the version that every package has', () => {
    const packages = readdirSync(ROOT, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name))
      .flatMap(({ name }) => {
        try {
          return [JSON.parse(readFileSync(join(ROOT, name, 'package.json'), 'utf8')) as { version?: string }];
        } catch {
          return [];
        }
      });
    expect(packages.length).toBeGreaterThan(8);
    expect(new Set(packages.map(({ version = VERSION }) => version))).toEqual(new Set([VERSION]));
  });
});

describe('the class of an objective', () => {
  it.each([
    [1, '0.01'],
    [30, '0.03'],
    [30.1, '0.05'],
    [300, '0.3'],
    [300_000, '300'],
    [300_001, '+Inf'],
  ])('of %d ms is %s: the least bound that holds it', (objectiveMs, expected) => {
    expect(objectiveClass(objectiveMs)).toBe(expected);
  });

  it('can be read off a histogram from 30 ms to 30 s', () => {
    expect(OBJECTIVE_SECONDS).toEqual(expect.arrayContaining([0.03, 0.1, 0.3, 1, 3, 10, 30]));
    expect([...OBJECTIVE_SECONDS].sort((a, b) => a - b)).toEqual([...OBJECTIVE_SECONDS]);
  });
});
