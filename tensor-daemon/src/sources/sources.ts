import { type ModelSource, PluginError } from '@tetris/common';
import type { FileSource } from './file-source';
import type { ModelFiles } from './model-files';
import type { Uploads } from './uploads';

/** Where models come from, by the kind of the source. */
export class Sources {
  readonly #file: FileSource;
  readonly #uploads: Uploads;

  constructor(file: FileSource, uploads: Uploads) {
    this.#file = file;
    this.#uploads = uploads;
  }

  /** What a source holds now. @throws PluginError with a code of `ERR_MODEL_*` */
  async files(source: ModelSource): Promise<ModelFiles> {
    switch (source.kind) {
      case 'file':
        return this.#file.files(source);
      case 'digest':
        return this.#uploads.files(source);
      case 'url':
        throw new PluginError('ERR_MODEL_SOURCE_UNKNOWN', `no configured source allows '${source.url}'`);
    }
  }
}
