/** Small matters of files. Light: every function instance may load it. */
export { hashFile, hashStream } from './hash';
export { isInside } from './inside';
export { makeFolder } from './make-folder';
export { checkOutputs, outliveReaders } from './output';
