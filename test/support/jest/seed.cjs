'use strict';

// A run of property tests is repeated with the seed that fast-check has printed.
if (process.env.TEST_SEED !== undefined) {
  require('fast-check').configureGlobal({ seed: Number(process.env.TEST_SEED) });
}
