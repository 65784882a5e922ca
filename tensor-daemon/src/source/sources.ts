import type { ModelSource } from '@tetris/common';
import type { Tenant } from '../tenant';
import type { FileSource } from './file-source';
import type { ModelFiles } from './model-files';
import type { UploadedModels } from './uploaded-models';
import type { FetchListener, UrlSource } from './url-source';

/** Where models come from, by the kind of the source. */
export class Sources {
  readonly #file: FileSource;
  readonly #url: UrlSource;
  readonly #uploaded: UploadedModels;

  constructor(file: FileSource, url: UrlSource, uploaded: UploadedModels) {
    this.#file = file;
    this.#url = url;
    this.#uploaded = uploaded;
  }

  /** What a source holds now. @throws PluginError with a code of `ERR_MODEL_*` */
  async files(source: ModelSource, listener: FetchListener, tenant: Tenant): Promise<ModelFiles> {
    switch (source.kind) {
      case 'file':
        return this.#file.files(source);
      case 'digest':
        return this.#uploaded.files(source, tenant);
      case 'url':
        return this.#url.files(source, listener, tenant);
    }
  }
}
