import { join } from 'node:path';
import { makeFolder } from './files';

/** Name of the graph inside a model's folder and inside a view. */
export const GRAPH_FILE = 'model.onnx';
export const MANIFEST_FILE = 'manifest.json';

/** 64 lowercase hex digits: names of tensors and of models. */
const DIGEST = /^[0-9a-f]{64}$/;

export function isDigest(name: string): boolean {
  return DIGEST.test(name);
}

/**
 * Where things are in a store. All of it lies on one file system, so that names can be linked and renamed.
 *
 *     tensors/<sha256>                    a tensor: immutable, named by its content
 *     models/<model key>/                 manifest.json and model.onnx, published together by a rename
 *     views/<instance>/<model key>/       model.onnx and hard links to its tensors: what an instance may see
 *     instances/<instance>.json           registrations, so that they survive a restart
 *     uploads/<sha256>                    models on their way in
 *     scratch/<random>/                   writes under way, see Stage; swept at start
 *     lock                                held by the daemon that serves the store
 */
export class StoreLayout {
  readonly root: string;
  readonly tensors: string;
  readonly models: string;
  readonly views: string;
  readonly instances: string;
  readonly uploads: string;
  readonly scratch: string;

  constructor(root: string) {
    this.root = root;
    this.tensors = join(root, 'tensors');
    this.models = join(root, 'models');
    this.views = join(root, 'views');
    this.instances = join(root, 'instances');
    this.uploads = join(root, 'uploads');
    this.scratch = join(root, 'scratch');
  }

  tensor(sha256: string): string {
    return join(this.tensors, sha256);
  }

  model(modelKey: string): string {
    return join(this.models, modelKey);
  }

  instanceViews(instance: string): string {
    return join(this.views, instance);
  }

  view(instance: string, modelKey: string): string {
    return join(this.views, instance, modelKey);
  }

  /**
   * Makes the folders. Only the daemon may look into them, but for `views` and `scratch`: whoever knows an instance's
   * name may enter that instance's folder, and nobody can list the names; and an optimizer of another user works in a
   * folder of its own.
   */
  create(): void {
    makeFolder(this.root, 0o711);
    for (const path of [this.tensors, this.models, this.instances, this.uploads]) makeFolder(path, 0o700);
    for (const path of [this.views, this.scratch]) makeFolder(path, 0o711);
  }
}
