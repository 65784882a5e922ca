/** Sequences, optional values and maps, inside of models and as what these take and give; and texts. */
import { create } from '@bufbuild/protobuf';
import {
  type NodeProto,
  type TensorProto,
  TensorType,
  TypeProtoSchema,
  type TypeProto,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '@tetris/onnx-format/messages';
import { integers, node, tensor, valueInfo } from '../../models/messages';
import { type CorpusModel, graphOf, modelOf, type ModelParts } from './corpus-model';
import { drawn } from './typed-data';

const { FLOAT, INT64, STRING, BOOL } = TensorType;
const WIDTH = 64;
const ML = { domains: { 'ai.onnx.ml': 3 } };

export function* collectionModels(seed: number): Generator<CorpusModel> {
  const families = { ...sequences(seed), ...optionals(seed), ...maps(seed), ...texts(seed) };
  for (const [name, parts] of Object.entries(families)) yield { name: `collections/${name}`, model: modelOf(parts) };
}

const rows = (name: string, width: number | string = WIDTH): ValueInfoProto => valueInfo(name, FLOAT, ['batch', width]);
const matrix = (name: string, seed: number): TensorProto => drawn(name, FLOAT, [WIDTH, WIDTH], seed, [-0.3, 0.3]);

function typed(name: string, type: TypeProto): ValueInfoProto {
  return create(ValueInfoProtoSchema, { name, type });
}

function floatRows(): TypeProto {
  const { type } = rows('');
  if (type === undefined) throw new RangeError('a value has a type');
  return type;
}

const sequenceOf = (elemType: TypeProto): TypeProto =>
  create(TypeProtoSchema, { value: { case: 'sequenceType', value: { elemType } } });
const optionalOf = (elemType: TypeProto): TypeProto =>
  create(TypeProtoSchema, { value: { case: 'optionalType', value: { elemType } } });

function sequences(seed: number): Record<string, ModelParts> {
  const product = node('MatMul', ['x', 'w'], ['h']);
  const parts = { inputs: [rows('x')], outputs: [rows('y')], initializers: [matrix('w', seed)] };
  const split = node('SplitToSequence', ['h', 'sizes'], ['s'], { axis: 1 });
  const sizes = integers('sizes', [16, 48]);
  const at = drawn('at', INT64, [], 1, [1, 1]);
  return {
    'sequence-inside': {
      ...parts,
      nodes: [product, split, node('ConcatFromSequence', ['s'], ['y'], { axis: 1 })],
      initializers: [...parts.initializers, sizes],
    },
    'sequence-at': {
      ...parts,
      nodes: [product, split, node('SequenceAt', ['s', 'at'], ['y'])],
      outputs: [rows('y', 48)],
      initializers: [...parts.initializers, sizes, at],
    },
    'sequence-of-weights': {
      ...parts,
      nodes: [
        node('SequenceConstruct', ['w', 'v'], ['s']),
        node('SequenceAt', ['s', 'at'], ['chosen']),
        node('MatMul', ['x', 'chosen'], ['y']),
      ],
      initializers: [...parts.initializers, matrix('v', seed), at],
    },
    'sequence-output': {
      ...parts,
      nodes: [product, split],
      outputs: [typed('s', sequenceOf(floatRows()))],
      initializers: [...parts.initializers, sizes],
    },
    'sequence-output-beside-a-tensor': {
      ...parts,
      nodes: [product, split, node('Identity', ['h'], ['y'])],
      outputs: [rows('y'), typed('s', sequenceOf(floatRows()))],
      initializers: [...parts.initializers, sizes],
    },
    'sequence-empty': {
      ...parts,
      nodes: [
        product,
        node('SequenceEmpty', [], ['none']),
        node('SequenceInsert', ['none', 'h'], ['one']),
        node('SequenceInsert', ['one', 'x'], ['two']),
        node('ConcatFromSequence', ['two'], ['y'], { axis: 1 }),
      ],
      outputs: [rows('y', 2 * WIDTH)],
    },
    'sequence-length': {
      ...parts,
      nodes: [product, split, node('SequenceLength', ['s'], ['y'])],
      outputs: [valueInfo('y', INT64, [])],
      initializers: [...parts.initializers, sizes],
    },
    'sequence-mapped': {
      ...parts,
      nodes: [
        product,
        split,
        node('SequenceMap', ['s'], ['t'], {
          body: graphOf({
            nodes: [node('Tanh', ['element'], ['mapped'])],
            inputs: [valueInfo('element', FLOAT, ['batch', 'width'])],
            outputs: [valueInfo('mapped', FLOAT, ['batch', 'width'])],
          }),
        }),
        node('ConcatFromSequence', ['t'], ['y'], { axis: 1 }),
      ],
      initializers: [...parts.initializers, sizes],
    },
  };
}

function optionals(seed: number): Record<string, ModelParts> {
  const product = node('MatMul', ['x', 'w'], ['h']);
  const parts = { inputs: [rows('x')], outputs: [rows('y')], initializers: [matrix('w', seed)] };
  const optional = typed('o', optionalOf(floatRows()));
  return {
    'optional-inside': {
      ...parts,
      opset: 18,
      nodes: [product, node('Optional', ['h'], ['o']), node('OptionalGetElement', ['o'], ['y'])],
    },
    'optional-output': { ...parts, opset: 18, nodes: [product, node('Optional', ['h'], ['o'])], outputs: [optional] },
    'optional-asked': {
      ...parts,
      opset: 18,
      nodes: [product, node('Optional', ['h'], ['o']), node('OptionalHasElement', ['o'], ['y'])],
      outputs: [valueInfo('y', BOOL, [])],
    },
    'optional-of-tensor-asked': {
      ...parts,
      opset: 18,
      nodes: [product, node('OptionalHasElement', ['h'], ['y'])],
      outputs: [valueInfo('y', BOOL, [])],
    },
    'optional-outputs-left-out': {
      ...parts,
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('Dropout', ['h'], ['y', ''])],
    },
    'optional-inputs-left-out': {
      ...parts,
      nodes: [product, node('Clip', ['h', '', 'high'], ['y'])],
      initializers: [...parts.initializers, drawn('high', FLOAT, [], seed, [0.1, 0.2])],
    },
  };
}

/** Classifiers as they come from scikit-learn. */
function maps(seed: number): Record<string, ModelParts> {
  const coefficients = drawn('c', FLOAT, [3 * WIDTH], seed);
  const numbers = [...new Float32Array(Uint8Array.from(coefficients.rawData).buffer)];
  const linear = (labels: object): NodeProto =>
    node(
      'LinearClassifier',
      ['x'],
      ['label', 'scores'],
      {
        coefficients: { floats: numbers },
        intercepts: { floats: [0.1, 0.2, -0.3] },
        post_transform: 'SOFTMAX',
        ...labels,
      },
      'ai.onnx.ml',
    );
  const words = { classlabels_strings: { texts: ['setosa', 'versicolor', 'virginica'] } };
  const whole = { classlabels_ints: [0, 1, 2] };
  const parts = { ...ML, inputs: [rows('x')] };
  const probabilities = (keyType: number): ValueInfoProto => {
    const map = create(TypeProtoSchema, {
      value: {
        case: 'mapType',
        value: { keyType, valueType: { value: { case: 'tensorType', value: { elemType: FLOAT } } } },
      },
    });
    return typed('probabilities', sequenceOf(map));
  };
  const label = (type: number): ValueInfoProto => valueInfo('label', type, ['batch']);
  return {
    'classifier-of-words': { ...parts, nodes: [linear(words)], outputs: [label(STRING), rows('scores', 3)] },
    'classifier-of-numbers': { ...parts, nodes: [linear(whole)], outputs: [label(INT64), rows('scores', 3)] },
    'map-of-words': {
      ...parts,
      nodes: [linear(words), node('ZipMap', ['scores'], ['probabilities'], words, 'ai.onnx.ml')],
      outputs: [label(STRING), probabilities(STRING)],
    },
    'map-of-numbers': {
      ...parts,
      nodes: [
        linear({ classlabels_ints: [0, 1, 2] }),
        node('ZipMap', ['scores'], ['probabilities'], { classlabels_int64s: [0, 1, 2] }, 'ai.onnx.ml'),
      ],
      outputs: [label(INT64), probabilities(INT64)],
    },
    scaler: {
      ...parts,
      nodes: [
        node(
          'Scaler',
          ['x'],
          ['y'],
          { offset: { floats: numbers.slice(0, WIDTH) }, scale: { floats: numbers.slice(WIDTH, 2 * WIDTH) } },
          'ai.onnx.ml',
        ),
      ],
      outputs: [rows('y')],
    },
    'tree-ensemble': { ...parts, nodes: [trees()], outputs: [rows('y', 1)] },
    'label-encoder': {
      ...ML,
      nodes: [
        node(
          'LabelEncoder',
          ['x'],
          ['y'],
          { keys_int64s: [1, 2, 3], values_strings: { texts: ['a', 'b', 'c'] }, default_string: '?' },
          'ai.onnx.ml',
        ),
      ],
      inputs: [valueInfo('x', INT64, ['batch', 5])],
      outputs: [valueInfo('y', STRING, ['batch', 5])],
    },
  };
}

/** Two trees of one question each. */
function trees(): NodeProto {
  const attributes = {
    nodes_treeids: [0, 0, 0, 1, 1, 1],
    nodes_nodeids: [0, 1, 2, 0, 1, 2],
    nodes_featureids: [3, 0, 0, 9, 0, 0],
    nodes_values: { floats: [0, 0, 0, 0.5, 0, 0] },
    nodes_modes: { texts: ['BRANCH_LEQ', 'LEAF', 'LEAF', 'BRANCH_GT', 'LEAF', 'LEAF'] },
    nodes_truenodeids: [1, 0, 0, 1, 0, 0],
    nodes_falsenodeids: [2, 0, 0, 2, 0, 0],
    target_treeids: [0, 0, 1, 1],
    target_nodeids: [1, 2, 1, 2],
    target_ids: [0, 0, 0, 0],
    target_weights: { floats: [1, -1, 0.5, 0.25] },
    n_targets: 1,
  };
  return node('TreeEnsembleRegressor', ['x'], ['y'], attributes, 'ai.onnx.ml');
}

function texts(seed: number): Record<string, ModelParts> {
  const table = Array.from(
    { length: WIDTH },
    (_, index) => `Wort ${index} ${'ß'.repeat(index % 9)}${'long '.repeat(index % 40)}`,
  );
  const list = tensor('words', STRING, [WIDTH], table);
  const words = (name: string): ValueInfoProto => valueInfo(name, STRING, ['batch', 3]);
  return {
    'texts-by-place': {
      nodes: [
        node('MatMul', ['x', 'w'], ['h']),
        node('ArgMax', ['h'], ['at'], { axis: 1, keepdims: 0 }),
        node('Gather', ['words', 'at'], ['y']),
      ],
      inputs: [rows('x')],
      outputs: [valueInfo('y', STRING, ['batch'])],
      initializers: [list, matrix('w', seed)],
    },
    'texts-joined': {
      nodes: [node('Concat', ['x', 'x'], ['y'], { axis: 1 })],
      inputs: [words('x')],
      outputs: [valueInfo('y', STRING, ['batch', 6])],
    },
    'texts-compared': {
      nodes: [node('Equal', ['x', 'z'], ['y'])],
      inputs: [words('x'), words('z')],
      outputs: [valueInfo('y', BOOL, ['batch', 3])],
      opset: 19,
    },
    'texts-normalized': {
      nodes: [
        node('StringNormalizer', ['x'], ['y'], {
          case_change_action: 'NONE',
          is_case_sensitive: 1,
          stopwords: { texts: ['nichts'] },
        }),
      ],
      inputs: [valueInfo('x', STRING, [4])],
      outputs: [valueInfo('y', STRING, ['left'])],
    },
    'texts-chained': {
      nodes: [node('StringConcat', ['x', 'z'], ['y'])],
      inputs: [words('x'), words('z')],
      outputs: [words('y')],
      opset: 20,
    },
    'texts-counted': {
      nodes: [
        node('TfIdfVectorizer', ['x'], ['y'], {
          mode: 'TF',
          min_gram_length: 1,
          max_gram_length: 1,
          max_skip_count: 0,
          ngram_counts: [0],
          ngram_indexes: [0, 1],
          pool_strings: { texts: ['Wort 1 für Ω', 'Wort 2 für 日本'] },
        }),
      ],
      inputs: [words('x')],
      outputs: [rows('y', 2)],
    },
  };
}
