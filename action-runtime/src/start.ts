/**
 * How an instance is started, for the image and for process containers alike.
 *
 * V8 flags were measured and left out: with a session open none of `--max-semi-space-size`, `--single-threaded`,
 * `--v8-pool-size`, `--optimize-for-size` and `--lite-mode` changed an instance by more than 0.3 MB.
 */
import path from 'node:path';

/** Arguments after the Node executable. */
export const START_ARGUMENTS: readonly string[] = ['--expose-gc', path.join(__dirname, 'bundle/main.js')];

/** Environment that every instance should have. */
export { INSTANCE_ENVIRONMENT as START_ENVIRONMENT } from '@tetris/common/environment';
