import { START_ARGUMENTS } from '@tetris/action-runtime';

/**
 * Settings of a platform whose instances know of no daemon and load models as plain onnxruntime does: every kind of
 * action shares tensors otherwise.
 */
export const PLAIN: Readonly<Record<string, string>> = {
  TETRIS_INVOKER_RUNTIME_COMMAND: [
    ...['env', '-u', 'TETRIS_RUNTIME_DAEMON_SOCKET', '-u', 'TETRIS_RUNTIME_VIEWS'],
    ...[process.execPath, ...START_ARGUMENTS],
  ].join(','),
  TETRIS_INVOKER_STEM_CELLS: '',
  TETRIS_INVOKER_STEM_CELL_BYTES_MAX: '0',
};
