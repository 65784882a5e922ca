import { planSession } from '../../../action-runtime/src/onnx/session-options';

const plan = (options: object) => planSession(options, { threads: 3, logLevel: 'warning' });

describe('planSession', () => {
  it('opens the saved graph as it is, with one thread setting for all who do not say', () => {
    expect(plan({})).toEqual({
      privately: { intraOpNumThreads: 3, interOpNumThreads: 1, logSeverityLevel: 2 },
      shared: {
        graph: { graphOptimizationLevel: 'all', freeDimensionOverrides: {} },
        options: {
          intraOpNumThreads: 3,
          interOpNumThreads: 1,
          logSeverityLevel: 2,
          enableMemPattern: false,
          graphOptimizationLevel: 'disabled',
        },
      },
    });
  });

  it('gives a session the log level that is set for all when it is made, unless its own options say', () => {
    const quiet = { threads: 1, logLevel: 'fatal' } as const;
    expect(planSession({}, quiet)).toMatchObject({
      privately: { logSeverityLevel: 4 },
      shared: { options: { logSeverityLevel: 4 } },
    });
    expect(planSession({ logSeverityLevel: 0 }, quiet)).toMatchObject({
      privately: { logSeverityLevel: 0 },
      shared: { options: { logSeverityLevel: 0 } },
    });
  });

  it('moves what changes the graph into the lease and keeps what only says how to run', () => {
    const given = {
      graphOptimizationLevel: 'basic',
      freeDimensionOverrides: { batch: 1 },
      executionProviders: ['cpu'],
      intraOpNumThreads: 2,
      executionMode: 'parallel',
      preferredOutputLocation: 'cpu',
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    };
    const { shared } = plan(given);
    expect(shared).toMatchObject({
      graph: { graphOptimizationLevel: 'basic', freeDimensionOverrides: { batch: 1 } },
      options: { graphOptimizationLevel: 'disabled', intraOpNumThreads: 2, executionMode: 'parallel' },
    });
    expect(shared).not.toHaveProperty('options.executionProviders');
  });

  it.each([
    [{ executionProviders: ['cuda', 'cpu'] }, "execution provider 'cuda'"],
    [{ executionProviders: [{ name: 'webgpu' }] }, "execution provider 'webgpu'"],
    [{ enableProfiling: true }, "session option 'enableProfiling'"],
    [{ optimizedModelFilePath: 'a.onnx' }, "session option 'optimizedModelFilePath'"],
    [{ preferredOutputLocation: { y: 'gpu-buffer' } }, "session option 'preferredOutputLocation'"],
    [{ extra: { session: { disable_prepacking: '1' } } }, "session entry 'session.disable_prepacking'"],
    [{ someNewOption: 1 }, "session option 'someNewOption'"],
  ])('refuses to share %j, says why, and leaves the options to a private session', (options, reason) => {
    const { shared, privately } = plan(options);
    expect(shared).toEqual({ reason: expect.stringContaining(reason) });
    expect(privately).toMatchObject(options);
  });
});
