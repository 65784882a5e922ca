/** The forms with other weights, and what makes them. */
import type { Conversion } from '@tetris/invoker-extension';
import type { ModelProto } from '@tetris/onnx-format/messages';
import type { Converted } from './graph-editor';
import { toFp16 } from './to-fp16';
import { toInt4 } from './to-int4';
import { toInt8 } from './to-int8';

export const CONVERTERS: Readonly<Record<Conversion, (model: ModelProto) => Converted>> = {
  int8: toInt8,
  fp16: toFp16,
  int4: toInt4,
};
