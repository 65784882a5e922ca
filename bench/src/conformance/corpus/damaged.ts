/** What plain onnxruntime refuses: the same error, of the same class, is wanted here. */
import { toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorType } from '@tetris/onnx-format/messages';
import { node, tensor, valueInfo } from '../../models/messages';
import { type CorpusModel, modelOf, type ModelParts } from './corpus-model';
import { drawn } from './typed-data';

const { FLOAT, INT64 } = TensorType;
const WIDTH = 64;

export function* damagedModels(seed: number): Generator<CorpusModel> {
  const w = drawn('w', FLOAT, [WIDTH, WIDTH], seed);
  const rows = (name: string): ReturnType<typeof valueInfo> => valueInfo(name, FLOAT, ['batch', WIDTH]);
  const sound: ModelParts = {
    nodes: [node('MatMul', ['x', 'w'], ['y'])],
    inputs: [rows('x')],
    outputs: [rows('y')],
    initializers: [w],
  };
  const bytes = toBinary(ModelProtoSchema, modelOf(sound));
  for (const [name, content] of Object.entries(files(bytes))) yield { name: `damaged/${name}`, model: content };
  const graphs: Record<string, Partial<ModelParts>> = {
    'operator-unknown': { nodes: [node('Nonsense', ['x', 'w'], ['y'])] },
    'domain-unknown': { nodes: [node('Layer', ['x', 'w'], ['y'], {}, 'nobody')], domains: { nobody: 1 } },
    'domain-undeclared': { nodes: [node('Layer', ['x', 'w'], ['y'], {}, 'nobody')] },
    'operator-too-new': { nodes: [node('Gelu', ['x'], ['y'])], opset: 7 },
    'types-unlike': { nodes: [node('Add', ['x', 'w'], ['y'])], initializers: [drawn('w', INT64, [WIDTH], seed)] },
    'shapes-unlike': { initializers: [drawn('w', FLOAT, [WIDTH + 1, WIDTH], seed)] },
    'value-missing': { nodes: [node('MatMul', ['x', 'nowhere'], ['y'])] },
    'output-missing': { outputs: [rows('z')] },
    'name-twice': { nodes: [node('MatMul', ['x', 'w'], ['y']), node('Relu', ['x'], ['y'])] },
    'input-twice': { inputs: [rows('x'), rows('x')] },
    cycle: { nodes: [node('Add', ['x', 'b'], ['a']), node('Add', ['a', 'w'], ['b']), node('Relu', ['b'], ['y'])] },
    'attribute-wrong': { nodes: [node('Softmax', ['x'], ['y'], { axis: 'last' })] },
    'kernel-missing': { nodes: [node('Cast', ['x'], ['h'], { to: TensorType.BFLOAT16 }), node('Relu', ['h'], ['y'])] },
    'initializer-short': {
      initializers: [
        tensor(
          'w',
          FLOAT,
          [WIDTH, WIDTH],
          Float32Array.from({ length: 7 }, () => 1),
        ),
      ],
    },
    'initializer-long': { initializers: [tensor('w', FLOAT, [WIDTH, WIDTH], new Float32Array(2 * WIDTH * WIDTH))] },
    'initializer-without-type': {
      initializers: [Object.assign(drawn('w', FLOAT, [WIDTH, WIDTH], seed), { dataType: 0 })],
    },
    'initializer-twice': { initializers: [w, drawn('w', FLOAT, [WIDTH, WIDTH], seed + 1)] },
    'axis-beyond': { nodes: [node('Concat', ['x', 'x'], ['y'], { axis: 7 })] },
    'run-fails': {
      nodes: [node('Reshape', ['x', 'shape'], ['y'])],
      initializers: [tensor('shape', INT64, [2], BigInt64Array.of(7n, 7n))],
      outputs: [valueInfo('y', FLOAT, [7, 7])],
    },
    'run-fails-behind-a-product': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('Gather', ['h', 'at'], ['y'], { axis: 0 })],
      initializers: [w, tensor('at', INT64, [1], BigInt64Array.of(1000n))],
    },
  };
  for (const [name, parts] of Object.entries(graphs)) {
    yield { name: `damaged/${name}`, model: modelOf({ ...sound, ...parts }) };
  }
}

/** Of the bytes of a sound model. */
function files(bytes: Uint8Array): Record<string, Uint8Array> {
  return {
    empty: new Uint8Array(),
    'one-byte': Uint8Array.of(8),
    zeros: new Uint8Array(1000),
    text: new Uint8Array(Buffer.from('<!doctype html><title>404 Not Found</title>')),
    half: bytes.subarray(0, bytes.length / 2),
    'last-byte-missing': bytes.subarray(0, bytes.length - 1),
    'first-byte-missing': bytes.subarray(1),
    'byte-too-many': Buffer.concat([bytes, Uint8Array.of(255)]),
    'unknown-field-added': Buffer.concat([bytes, Uint8Array.of(0xfa, 0x7f, 3, 1, 2, 3)]),
    twice: Buffer.concat([bytes, bytes]),
    'git-lfs-pointer': new Uint8Array(
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 340000000\n'),
    ),
  };
}
