import { planSession } from '../../../action-runtime/src/onnx/session-options';

const plan = (options: object) => planSession(options, { threads: 3, logLevel: 'warning', light: true });

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
          enableCpuMemArena: false,
          enableMemPattern: false,
          graphOptimizationLevel: 'disabled',
        },
      },
    });
  });

  it('leaves onnxruntime its arena where the instance is there to be busy', () => {
    const { shared } = planSession({}, { threads: 1, logLevel: 'warning', light: false });
    expect(shared).toHaveProperty('options.enableMemPattern', false);
    expect(shared).not.toHaveProperty('options.enableCpuMemArena');
  });

  it('gives a session the log level that is set for all when it is made, unless its own options say', () => {
    const quiet = { threads: 1, logLevel: 'fatal', light: true } as const;
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
      executionProviders: ['cpu'],
      intraOpNumThreads: 2,
      executionMode: 'parallel',
      preferredOutputLocation: 'cpu',
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    };
    const { shared } = plan(given);
    expect(shared).toMatchObject({
      graph: { graphOptimizationLevel: 'basic', freeDimensionOverrides: {} },
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
    [{ graphOptimizationLevel: 'some' }, "graph optimization level 'some'"],
    [{ externalData: [{ path: 'a', data: Uint8Array.of(1) }] }, "session option 'externalData'"],
  ])('refuses to share %j, says why, and leaves the options to a private session', (options, reason) => {
    const { shared, privately } = plan(options);
    expect(shared).toEqual({ reason: expect.stringContaining(reason) });
    expect(privately).toMatchObject(options);
  });

  it('ignores what onnxruntime-node ignores: unknown options, those of other bindings, functions among the entries', () => {
    const given = { onLoad: () => 1, freeDimensionOverrides: { batch: 1 }, [Symbol('s')]: 1, extra: { hook: () => 1 } };
    expect(plan(given).shared).toMatchObject({ options: { graphOptimizationLevel: 'disabled' } });
    expect(() => structuredClone(plan(given))).not.toThrow();
    expect(plan(given).privately).toEqual({ ...plan({}).privately, extra: { hook: {} } });
  });

  it('reads inherited options and those behind a proxy, and what cannot be sent as onnxruntime does', () => {
    const circular: Record<string, unknown> = { batch: Buffer.from('b') };
    circular['self'] = circular;
    const given = new Proxy(
      Object.create({ logId: 'l', intraOpNumThreads: Symbol('s'), extra: circular }) as object,
      {},
    );
    const { privately } = plan(given);
    expect(privately).toMatchObject({ logId: 'l', intraOpNumThreads: null, extra: { self: {} } });
    expect(() => structuredClone(privately)).not.toThrow();
  });
});
