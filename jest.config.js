// Three projects: `unit` maps the packages to their sources; `integration` and `e2e` use the built `dist`,
// because a worker-thread entry written in TypeScript cannot be loaded from inside jest.
const transform = {
  '^.+\\.ts$': ['ts-jest', { diagnostics: false, tsconfig: '<rootDir>/test/tsconfig.json' }],
};
const packages =
  'common|onnx-format|pages|tensor-daemon|action-runtime|invoker-extension|load-balancer|standalone|profiler|doctor|bench';
const base = {
  rootDir: __dirname,
  testEnvironment: '<rootDir>/test/support/jest/environment.cjs',
  setupFiles: ['<rootDir>/test/support/jest/seed.cjs'],
  transform,
};

module.exports = {
  // Against what hangs; no test asserts a time, however busy the machine is. Jest reads it here only, in no project.
  testTimeout: 120_000,
  reporters: ['default', '<rootDir>/test/support/jest/named-tests-reporter.cjs'],
  projects: [
    {
      ...base,
      displayName: 'unit',
      testMatch: ['<rootDir>/test/unit/**/*.test.ts'],
      moduleNameMapper: {
        '^@tetris/common/errors$': '<rootDir>/common/src/errors.ts',
        '^@tetris/common/environment$': '<rootDir>/common/src/environment.ts',
        '^@tetris/common/daemon$': '<rootDir>/common/src/daemon/client.ts',
        '^@tetris/common/(clock|flow|files)$': '<rootDir>/common/src/$1/index.ts',
        '^@tetris/common/metrics$': '<rootDir>/common/src/process-metrics.ts',
        '^@tetris/common/tracing$': '<rootDir>/common/src/tracing/otlp.ts',
        '^@tetris/common/kafka$': '<rootDir>/common/src/bus/kafka-bus.ts',
        '^@tetris/common/couch$': '<rootDir>/common/src/entities/couch-store.ts',
        '^@tetris/common/redis$': '<rootDir>/common/src/registry/redis-registry.ts',
        '^@tetris/onnx-format/messages$': '<rootDir>/onnx-format/src/messages.ts',
        [`^@tetris/(${packages})$`]: '<rootDir>/$1/src/index.ts',
      },
    },
    { ...base, displayName: 'integration', testMatch: ['<rootDir>/test/integration/**/*.test.ts'] },
    // Three hosts, each with an engine of its own, fill a machine: by themselves.
    { ...base, displayName: 'hosts', testMatch: ['<rootDir>/test/hosts/**/*.test.ts'] },
    { ...base, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.test.ts'] },
    // Needs a stock OpenWhisk controller, which this project does not bring: `npm run test:stock` alone runs it.
    { ...base, displayName: 'stock', testMatch: ['<rootDir>/test/stock/**/*.test.ts'] },
    // Needs a kube-apiserver, etcd and OpenWhisk's chart (docs/kubernetes.md): `npm run test:kubernetes` alone runs it.
    { ...base, displayName: 'kubernetes', testMatch: ['<rootDir>/test/kubernetes/**/*.test.ts'] },
  ],
};
