/** What stands behind `onnxruntime-node`, beside what `onnxruntime-common` has. */
export interface RuntimeModule {
  listSupportedBackends: () => { name: string; bundled: boolean }[];
}

/** Of the global object: a function that loads the {@link RuntimeModule}. */
export const MODULE_SYMBOL = Symbol.for('tetris.onnxruntime-node');
