/** Program and arguments of the action runtime, for containers that are processes. */
export const RUNTIME_COMMAND = [
  process.execPath,
  '--expose-gc',
  require.resolve('@tetris/action-runtime/dist/main.js'),
] as const;
