/** A model whose content is known: what the sources hand to the ingest. */
export interface ModelFiles {
  /** SHA-256 of the model itself. */
  readonly sha256: string;
  /** Its external data, by location relative to the model, sorted. */
  readonly externalData: readonly { location: string; sha256: string }[];
  /** Of all files together. */
  readonly bytes: number;
  /**
   * Makes the files readable at a path until the ingest ends.
   * @param folder of the ingest's own, for links
   * @throws PluginError `ERR_MODEL_UNKNOWN` where they are gone
   */
  stage(folder: string): Promise<string>;
  /** After they have been read: were they what they were? @throws PluginError `ERR_MODEL_INVALID` */
  verify(): Promise<void>;
}
