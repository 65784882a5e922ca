'use strict';
/*
 * Puts the compiled runtime into one file for its process, one for its inference workers, and one that unpacks archives
 * where there is one: an instance finds, reads and compiles these in place of some ninety. Part of `node build.js`.
 */
const { mkdirSync, renameSync, writeFileSync } = require('fs');
const { dirname, join } = require('path');

/** In one step: an instance that starts meanwhile reads the file before or this one, never half of it. */
function replace(path, contents) {
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, contents);
  renameSync(part, path);
}

module.exports = function bundle() {
  const dist = join(__dirname, 'dist');
  const { outputFiles } = require('esbuild').buildSync({
    absWorkingDir: dist,
    entryPoints: { main: 'main.js', worker: 'inference/worker.js', archive: 'proxy/archive.js' },
    outdir: join(dist, 'bundle'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    // What user code gets too must exist once, and be found as packages are.
    external: ['onnxruntime-node', 'onnxruntime-common', 'openwhisk', 'koffi', '@tetris/action-runtime/*', './archive'],
    // Names stay: they are in what users read. Less text is read sooner, and kept by no instance.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    write: false,
  });
  for (const { path, contents } of outputFiles) replace(path, contents);
};
