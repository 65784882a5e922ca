/** What a model takes and gives, in every odd form; and batch axes that can, or cannot, be joined along. */
import { create } from '@bufbuild/protobuf';
import {
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorType,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '@tetris/onnx-format/messages';
import { floats, integers, node, valueInfo } from '../../models/messages';
import { type CorpusModel, modelOf, type ModelParts } from './corpus-model';
import { drawn } from './typed-data';

const { FLOAT, INT64 } = TensorType;
const WIDTH = 64;

export function* interfaceModels(seed: number): Generator<CorpusModel> {
  const w = drawn('w', FLOAT, [WIDTH, WIDTH], seed, [-0.3, 0.3]);
  for (const [name, parts] of Object.entries({ ...ends(w), ...batches(w) })) {
    yield { name: `interfaces/${name}`, model: modelOf({ ...product(), initializers: [w], ...parts }) };
  }
}

const rows = (name: string, batch: number | string = 'batch', width = WIDTH): ValueInfoProto =>
  valueInfo(name, FLOAT, [batch, width]);

function product(): ModelParts {
  return { nodes: [node('MatMul', ['x', 'w'], ['y'])], inputs: [rows('x')], outputs: [rows('y')] };
}

function ends(w: TensorProto): Record<string, Partial<ModelParts>> {
  const many = Array.from({ length: 20 }, (_, index) => `x${index}`);
  return {
    'input-unused': { inputs: [rows('x'), rows('nobody')] },
    'input-unused-first': { inputs: [rows('nobody'), rows('x')] },
    'input-is-output': { outputs: [rows('y'), rows('x')] },
    'output-twice': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('Identity', ['h'], ['y']), node('Identity', ['h'], ['z'])],
      outputs: [rows('y'), rows('z')],
    },
    'output-of-the-middle': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('Relu', ['h'], ['y'])],
      outputs: [rows('y'), rows('h')],
    },
    'outputs-in-another-order': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('Relu', ['h'], ['y'])],
      outputs: [rows('h'), rows('y')],
    },
    'no-inputs': { nodes: [node('Relu', ['w'], ['y'])], inputs: [], outputs: [rows('y', WIDTH)] },
    'no-inputs-folded': {
      nodes: [node('MatMul', ['w', 'w'], ['y'])],
      inputs: [],
      outputs: [rows('y', WIDTH)],
    },
    'no-nodes': { nodes: [], outputs: [rows('x')], initializers: [] },
    'twenty-inputs': {
      nodes: [node('Concat', many, ['h'], { axis: 0 }), node('MatMul', ['h', 'w'], ['y'])],
      inputs: many.map((name) => rows(name)),
      outputs: [rows('y', 'all')],
    },
    'names-odd': {
      nodes: [node('MatMul', ['in put:0/ü', 'w'], ['ausgabe "1"'])],
      inputs: [rows('in put:0/ü')],
      outputs: [rows('ausgabe "1"')],
    },
    'names-of-objects': {
      nodes: [node('MatMul', ['constructor', 'w'], ['toString'])],
      inputs: [rows('constructor')],
      outputs: [rows('toString')],
    },
    'names-numeric': {
      nodes: [node('MatMul', ['10', 'w'], ['2']), node('Relu', ['2'], ['1'])],
      inputs: [rows('10')],
      outputs: [rows('2'), rows('1')],
    },
    'nodes-without-names': { nodes: [Object.assign(node('MatMul', ['x', 'w'], ['y']), { name: '' })] },
    'nodes-of-one-name': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), Object.assign(node('MatMul', ['h', 'w'], ['y']), { name: 'h' })],
    },
    'shape-unknown': { inputs: [withoutShape('x')], outputs: [withoutShape('y')] },
    'output-without-type': { outputs: [create(ValueInfoProtoSchema, { name: 'y' })] },
    'shape-wrong': { outputs: [rows('y', 'batch', WIDTH + 1)] },
    'axes-nameless': { inputs: [rows('x', '')], outputs: [rows('y', '')] },
    'value-infos': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('Relu', ['h'], ['y'])],
      graph: { valueInfo: [rows('h')] },
    },
    metadata: { more: { metadataProps: [create(StringStringEntryProtoSchema, { key: 'author', value: 'Jürgen' })] } },
    'name-of-graph-empty': { graph: { name: '' } },
    'node-order-wrong': { nodes: [node('Relu', ['h'], ['y']), node('MatMul', ['x', 'w'], ['h'])] },
    function: { ...inFunction(), initializers: [w] },
    'function-with-weight': inFunctionWithWeight(w),
  };
}

/** Which axes may be joined along shows only when it is tried. */
function batches(w: TensorProto): Record<string, Partial<ModelParts>> {
  const mean = (axis: number): ModelParts['nodes'] => [
    node('MatMul', ['x', 'w'], ['h']),
    node('ReduceMean', ['h'], ['m'], { axes: [axis], keepdims: 1 }),
    node('Sub', ['h', 'm'], ['y']),
  ];
  return {
    'batch-mixed': { nodes: mean(0) },
    'batch-kept-apart': { nodes: mean(1) },
    'batch-of-one-only': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('MatMul', ['three', 'h'], ['p']), node('Add', ['x', 'p'], ['y'])],
      initializers: [w, floats('three', [1, 1], [3])],
    },
    'batch-fixed': { inputs: [rows('x', 2)], outputs: [rows('y', 2)] },
    'batch-in-the-middle': {
      inputs: [valueInfo('x', FLOAT, [3, 'batch', WIDTH])],
      outputs: [valueInfo('y', FLOAT, [3, 'batch', WIDTH])],
    },
    'batch-lost': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('ReduceSum', ['h', 'axes'], ['y'], { keepdims: 0 })],
      outputs: [valueInfo('y', FLOAT, [])],
      initializers: [w, integers('axes', [0, 1])],
    },
    'batch-of-two-names': {
      nodes: [node('MatMul', ['x', 'w'], ['y']), node('MatMul', ['z', 'w'], ['u'])],
      inputs: [rows('x'), rows('z', 'other')],
      outputs: [rows('y'), rows('u', 'other')],
    },
    'batch-with-lengths': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('Softmax', ['h'], ['y'], { axis: 1 })],
      inputs: [valueInfo('x', FLOAT, ['batch', 'length', WIDTH])],
      outputs: [valueInfo('y', FLOAT, ['batch', 'length', WIDTH])],
    },
    'batch-with-mask': {
      nodes: [
        node('Cast', ['attention_mask'], ['m'], { to: FLOAT }),
        node('Mul', ['x', 'm'], ['k']),
        node('MatMul', ['k', 'w'], ['y']),
      ],
      inputs: [rows('x'), valueInfo('attention_mask', INT64, ['batch', WIDTH])],
    },
    'batch-ordered': {
      nodes: [node('MatMul', ['x', 'w'], ['h']), node('CumSum', ['h', 'axis'], ['y'])],
      initializers: [w, drawn('axis', INT64, [], 1, [0, 0])],
    },
  };
}

function withoutShape(name: string): ValueInfoProto {
  return create(ValueInfoProtoSchema, { name, type: { value: { case: 'tensorType', value: { elemType: FLOAT } } } });
}

/** A function of the model itself, which takes the weight as an argument. */
function inFunction(): Partial<ModelParts> {
  const own = { name: 'Layer', domain: 'own', input: ['a', 'b'], output: ['c'], attribute: [] };
  const opsetImport = [{ domain: '', version: 17n }];
  const body = [node('MatMul', ['a', 'b'], ['p']), node('Tanh', ['p'], ['c'])];
  return {
    nodes: [node('Layer', ['x', 'w'], ['y'], {}, 'own')],
    domains: { own: 1 },
    more: { functions: [{ ...own, node: body, opsetImport }] } as never,
  };
}

/** A function that has its weight as a constant of its own. */
function inFunctionWithWeight(w: TensorProto): Partial<ModelParts> {
  const own = { name: 'Layer', domain: 'own', input: ['a'], output: ['c'], attribute: [] };
  const opsetImport = [{ domain: '', version: 17n }];
  const body = [node('Constant', [], ['b'], { value: w }), node('MatMul', ['a', 'b'], ['c'])];
  return {
    nodes: [node('Layer', ['x'], ['h'], {}, 'own'), node('Layer', ['h'], ['y'], {}, 'own')],
    domains: { own: 1 },
    initializers: [],
    more: { functions: [{ ...own, node: body, opsetImport }] } as never,
  };
}
