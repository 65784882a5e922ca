'use strict';

// npm run fuzz -- [--seconds N] [--seed S]: the fuzz tests for as long as one likes.

const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { parseArgs } = require('node:util');

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string' } } });
const root = join(__dirname, '../..');
const { status } = spawnSync(
  process.execPath,
  [require.resolve('jest/bin/jest'), '--selectProjects', 'integration', '--testPathPatterns', 'tensor-daemon-fuzz'],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      TETRIS_FUZZ_SECONDS: values.seconds,
      ...(values.seed !== undefined && { TETRIS_FUZZ_SEED: values.seed }),
    },
  },
);
process.exitCode = status ?? 1;
