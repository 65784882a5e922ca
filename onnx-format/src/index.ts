/** What of the ONNX format costs nothing to load: function instances use it. The messages are in `./messages`. */
export { type ByteSource, fileSource, memorySource } from './byte-source';
export { type ModelScan, type OnnxScan, scanModel } from './scan';
export {
  isInsideFolder,
  type ModelEvidence,
  type Unshareable,
  UNSHAREABLE_REASONS,
  type UnshareableReason,
  whyUnshareable,
} from './shareable';
