/** A job that asks for little. */
import type { Job, JobSpec } from '../../../../profiler/src/service/job';

export const SPEC: JobSpec = {
  model: { kind: 'path', path: '/models/tiny.onnx' },
  variants: ['plain'],
  ...{ cpus: [1], memory: [256], batches: [1], workers: [1], threads: [1] },
  ...{ dims: {}, rounds: 1, points: 1 },
};

export const aJob = (overrides: Partial<Job> = {}): Job => ({
  ...{ id: 'job-00001', spec: SPEC, state: 'queued', createdMs: 1 },
  ...overrides,
});
