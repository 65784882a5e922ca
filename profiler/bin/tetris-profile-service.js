#!/usr/bin/env node
'use strict';
// Not compiled, so that npm finds it at install and links the command before anything is built.
try {
  require.resolve('../dist/service-main.js');
} catch (error) {
  process.stderr.write('Not built yet: run `npm run build` first.\n');
  process.exit(1);
}
require('../dist/service-main.js');
