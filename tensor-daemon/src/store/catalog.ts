import type { InventoryDelta, InventoryReply, TensorRef } from '@tetris/common';
import type { Manifest } from './manifest';

/** A tensor of the store. */
export interface Tensor {
  readonly sha256: string;
  /** Size of the file. */
  readonly fileBytes: number;
  /** What it takes: allocated blocks. */
  readonly bytes: number;
  /** Models of the store that need it. */
  models: number;
}

/** A model of the store. */
export interface Model {
  readonly modelKey: string;
  readonly name: string;
  readonly source: string;
  readonly ingestMs: number;
  /** What the folder of its graph takes. */
  readonly graphBytes: number;
  readonly tensors: readonly Tensor[];
}

/** A tensor as found on disk. */
export type StoredTensor = Pick<Tensor, 'sha256' | 'fileBytes' | 'bytes'>;

/**
 * What is in the store, in memory; rebuilt from the folders at start. It follows the file system and never leads it:
 * entries are added after publishing and removed after unlinking.
 */
export class Catalog {
  readonly #tensors = new Map<string, Tensor>();
  readonly #models = new Map<string, Model>();
  /** Tensors that no model needs; they go when nothing links to them. */
  readonly #orphans = new Set<Tensor>();
  readonly #log: InventoryDelta[] = [];
  readonly #logMax: number;
  readonly #modelRemoved: ((modelKey: string) => void)[] = [];
  #sequence: number;
  #bytes = 0;

  /** @param sequence where the inventory's numbers begin: above any that an earlier life has used, such as epoch ms */
  constructor(sequence: number, logMax: number) {
    this.#sequence = sequence;
    this.#logMax = logMax;
  }

  /** Bytes of all tensors and graphs. */
  get bytes(): number {
    return this.#bytes;
  }

  tensor(sha256: string): Tensor | undefined {
    return this.#tensors.get(sha256);
  }

  tensors(): Iterable<Tensor> {
    return this.#tensors.values();
  }

  get tensorCount(): number {
    return this.#tensors.size;
  }

  get orphans(): readonly Tensor[] {
    return [...this.#orphans];
  }

  isOrphan(tensor: Tensor): boolean {
    return this.#orphans.has(tensor);
  }

  model(modelKey: string): Model | undefined {
    return this.#models.get(modelKey);
  }

  models(): Iterable<Model> {
    return this.#models.values();
  }

  get modelCount(): number {
    return this.#models.size;
  }

  /** Calls back with each model that is forgotten, whatever the reason. */
  onModelRemoved(listener: (modelKey: string) => void): void {
    this.#modelRemoved.push(listener);
  }

  /** Takes in a tensor file that was found at start: the inventory begins with it. */
  foundTensor({ sha256, fileBytes, bytes }: StoredTensor): void {
    const tensor = { sha256, fileBytes, bytes, models: 0 };
    this.#tensors.set(sha256, tensor);
    this.#orphans.add(tensor);
    this.#bytes += bytes;
  }

  /** Takes in tensor files that have been published. Those known already are left as they are. */
  addTensors(stored: readonly StoredTensor[]): void {
    const added: TensorRef[] = [];
    for (const tensor of stored) {
      if (this.#tensors.has(tensor.sha256)) continue;
      this.foundTensor(tensor);
      added.push({ sha256: tensor.sha256, bytes: tensor.bytes });
    }
    this.#record(added, []);
  }

  /** Takes in a model whose tensors are all known. @returns undefined, and takes nothing, where one is missing */
  addModel(manifest: Manifest, graphBytes: number): Model | undefined {
    const tensors = manifest.tensors.map(({ sha256 }) => this.#tensors.get(sha256));
    if (!tensors.every((tensor) => tensor !== undefined)) return undefined;
    const { modelKey, name, source, ingestMs } = manifest;
    const model = { modelKey, name, source, ingestMs, graphBytes, tensors };
    this.removeModel(modelKey);
    for (const tensor of tensors) {
      tensor.models++;
      this.#orphans.delete(tensor);
    }
    this.#models.set(modelKey, model);
    this.#bytes += graphBytes;
    return model;
  }

  /** Forgets a model. Its tensors that no other model needs become orphans. */
  removeModel(modelKey: string): void {
    const model = this.#models.get(modelKey);
    if (model === undefined) return;
    this.#models.delete(modelKey);
    this.#bytes -= model.graphBytes;
    for (const tensor of model.tensors) {
      tensor.models--;
      if (tensor.models === 0) this.#orphans.add(tensor);
    }
    for (const listener of this.#modelRemoved) listener(modelKey);
  }

  /** Forgets tensors whose files are gone. */
  removeTensors(removed: readonly Tensor[]): void {
    for (const tensor of removed) {
      if (this.#tensors.delete(tensor.sha256)) this.#bytes -= tensor.bytes;
      this.#orphans.delete(tensor);
    }
    this.#record(
      [],
      removed.map(({ sha256 }) => sha256),
    );
  }

  /** The inventory: the changes after `since`, or everything where they are not all known. */
  inventory(since?: number): InventoryReply {
    const oldest = this.#sequence - this.#log.length;
    if (since === undefined || since < oldest || since > this.#sequence) {
      const tensors = [...this.#tensors.values()].map(({ sha256, bytes }) => ({ sha256, bytes }));
      return { snapshot: { sequence: this.#sequence, tensors } };
    }
    return { deltas: this.#log.slice(since - oldest), sequence: this.#sequence };
  }

  #record(added: TensorRef[], removed: string[]): void {
    if (added.length === 0 && removed.length === 0) return;
    this.#sequence++;
    this.#log.push({ sequence: this.#sequence, added, removed });
    if (this.#log.length > this.#logMax) this.#log.shift();
  }
}
