'use strict';
/*
 * `node build.js [workspace...]` compiles what has changed of these workspaces and of those they need, all by default, and
 * names each while it does. Plain JavaScript that an old Node can read, because here an old Node is told so.
 */
const { spawn } = require('child_process');
const { existsSync } = require('fs');
const { dirname, join } = require('path');
const { engines } = require('./package.json');

const NOT_INSTALLED = 'The dependencies are not installed: run `npm ci` first, with those for development.';

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

function requireNode() {
  const [major, minor] = /\d+\.\d+/.exec(engines.node)[0].split('.').map(Number);
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return;
  fail(`Tetris for OpenWhisk needs Node ${major}.${minor} or newer; this is ${process.versions.node}.`);
}

/** TypeScript's native compiler: the same build by the one written in JavaScript takes four times as long. */
function compiler() {
  try {
    return join(dirname(require.resolve('typescript-native/package.json')), 'bin/tsc');
  } catch (error) {
    return fail(NOT_INSTALLED);
  }
}

/** A line of the compiler: which workspace it is about to compile, what is wrong, or nothing that anybody asked for. */
function tell(line) {
  const building = /Building project '(.*)'/.exec(line);
  if (building !== null) process.stderr.write(`compiling ${dirname(building[1])}\n`);
  else if (!/^\[?\d+:\d+:\d+|^ {4}\* |^$/.test(line)) process.stderr.write(`${line}\n`);
}

function bundle() {
  try {
    require('./action-runtime/bundle.js')();
  } catch (error) {
    fail(error.code === 'MODULE_NOT_FOUND' ? `${error.message}\n${NOT_INSTALLED}` : error.message);
  }
}

requireNode();
// At once: the compiler takes a moment to say what it does.
if (!existsSync(join(__dirname, process.argv[2] || 'test', 'dist'))) {
  process.stderr.write('compiling for the first time; later only what has changed\n');
}
const child = spawn(process.execPath, [compiler(), '--build', '--verbose', ...process.argv.slice(2)], {
  cwd: __dirname,
  stdio: ['ignore', 'pipe', 'inherit'],
});
let rest = '';
child.stdout.on('data', (chunk) => {
  const lines = (rest + String(chunk)).split('\n');
  rest = lines.pop();
  lines.forEach(tell);
});
child.on('close', (code, signal) => {
  tell(rest);
  process.exitCode = signal === null ? code : 1;
  if (process.exitCode === 0 && existsSync(join(__dirname, 'action-runtime/dist/main.js'))) bundle();
});
