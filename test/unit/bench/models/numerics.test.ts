import {
  buildModel,
  convnet,
  decoderStep,
  type Feed,
  lstm,
  type ModelDefinition,
  perceptron,
  resnet,
  textCnn,
  transformer,
} from '@tetris/bench';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { relativeError } from '../../../../bench/src/measure/statistics';
import { infer } from '../../../support/infer';
import { attended, attention, gelu, linear, normalized, relu, type Row, rowsOf, weightsOf } from './reference';

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'tetris-models-'))));
afterAll(() => rm(folder, { recursive: true }));

const TIMEOUT_MS = 60_000;

describe('answers of built models', () => {
  it(
    'equals a perceptron computed by hand',
    async () => {
      const definition = perceptron('perceptron');
      const model = await buildModel(definition, folder);
      const feeds = model.inputs(3, 5);
      const weights = weightsOf(definition);
      const first = relu(linear(rowsOf(feeds[0]?.data as Float32Array, 64), weights, 'first'));
      const expected = linear(relu(linear(first, weights, 'second')), weights, 'logits');
      const { logits } = await infer(model.path, feeds);
      expect(logits?.dims).toEqual([3, 10]);
      expect(relativeError(logits?.data ?? [], expected.flat())).toBeLessThan(1e-5);
    },
    TIMEOUT_MS,
  );

  it(
    'equals a transformer computed by hand, example by example',
    async () => {
      const [hidden, heads, sequence, labels] = [32, 4, 6, 5];
      const definition = transformer('tiny', { layers: 2, hidden, heads, sequence, labels });
      const model = await buildModel(definition, folder);
      const feeds = model.inputs(2, 9);
      const examples = rowsOf(feeds[0]?.data as Float32Array, hidden * sequence).map((row) => rowsOf(row, hidden));
      const { logits } = await infer(model.path, feeds);
      const expected = examples.flatMap((tokens) => encode(tokens, definition, heads));
      expect(logits?.dims).toEqual([2, labels]);
      expect(relativeError(logits?.data ?? [], expected)).toBeLessThan(1e-4);
    },
    TIMEOUT_MS,
  );

  it(
    'equals a decoder step computed by hand, keys and values included',
    async () => {
      const [hidden, heads, past, vocabulary, batch] = [32, 4, 5, 11, 2];
      const definition = decoderStep('step', { layers: 2, hidden, heads, past, vocabulary });
      const model = await buildModel(definition, folder);
      const feeds = model.inputs(batch, 3);
      const outputs = await infer(model.path, feeds);
      const steps = [0, 1].map((example) => decode(feeds, example, definition, { hidden, heads }));
      expect(outputs['logits']?.dims).toEqual([batch, vocabulary]);
      expectClose(
        outputs['logits']?.data,
        steps.flatMap(({ logits }) => logits),
      );
      for (const name of ['present.0.key', 'present.0.value', 'present.1.key', 'present.1.value']) {
        expect(outputs[name]?.dims).toEqual([batch, heads, past + 1, hidden / heads]);
        expectClose(
          outputs[name]?.data,
          steps.flatMap(({ present }) => present[name] ?? []),
        );
      }
    },
    TIMEOUT_MS,
  );

  const others: [ModelDefinition, number][] = [
    [convnet('convnet'), 10],
    [resnet('resnet', { stages: [1, 1], width: 16, imageSize: 32, labels: 7 }), 7],
    [textCnn('text', { vocabulary: 500, width: 16, filters: 8 }), 5],
    [lstm('lstm', { hidden: 32 }), 10],
    [transformer('symbolic', { layers: 1, hidden: 16, heads: 2, sequence: 'sequence' }), 8],
  ];
  it.each(others.map(([definition, labels]) => [definition.name, definition, labels] as const))(
    'are finite, of a sane size and different for different inputs: %s',
    async (_name, definition, labels) => {
      const model = await buildModel(definition, folder);
      const { logits } = await infer(model.path, model.inputs(2, 1, 12));
      expect(logits?.dims).toEqual([2, labels]);
      const [first, second] = rowsOf(logits?.data ?? [], labels);
      expect(logits?.data.every(Number.isFinite)).toBe(true);
      expect(Math.max(...(logits?.data ?? []).map(Math.abs))).toBeLessThan(100);
      expect(relativeError(first ?? [], second ?? [])).toBeGreaterThan(1e-3);
    },
    TIMEOUT_MS,
  );
});

function expectClose(actual: readonly number[] | undefined, expected: readonly number[]): void {
  expect(relativeError(actual ?? [], expected)).toBeLessThan(1e-4);
}

/** One example through a decoder of this project's layout. */
function decode(
  feeds: readonly Feed[],
  example: number,
  definition: ModelDefinition,
  { hidden, heads }: { hidden: number; heads: number },
): { logits: Row; present: Record<string, Row> } {
  const weights = weightsOf(definition);
  const width = hidden / heads;
  const fed = (name: string): Row => {
    const data = Array.from(feeds.find((feed) => feed.name === name)?.data ?? [], Number);
    return data.slice((example * data.length) / 2, ((example + 1) * data.length) / 2);
  };
  const present: Record<string, Row> = {};
  /** Earlier rows and this one, which are kept head by head. */
  const joined = (name: string, own: Row): Row[] => {
    const byHead = rowsOf(fed(`past.${name}`), fed(`past.${name}`).length / heads).map((one) => rowsOf(one, width));
    const all = byHead.map((rows, head) => [...rows, own.slice(head * width, (head + 1) * width)]);
    present[`present.${name}`] = all.flat(2);
    return (all[0] ?? []).map((_, token) => all.flatMap((rows) => rows[token] ?? []));
  };
  const norm = (row: Row, name: string): Row => normalized([row], [row.map(() => 0)], weights, name)[0] ?? [];
  const through = (row: Row, name: string): Row => linear([row], weights, name)[0] ?? [];
  const plus = (one: Row, other: Row): Row => one.map((value, column) => value + (other[column] ?? NaN));
  let stream = fed('embedding');
  for (const layer of [0, 1]) {
    const before = norm(stream, `layer${layer}.attention.norm`);
    const [query, key, value] = ['query', 'key', 'value'].map((part) => through(before, `layer${layer}.${part}`));
    const [keys, values] = [joined(`${layer}.key`, key ?? []), joined(`${layer}.value`, value ?? [])];
    const mixed = attended([query ?? []], keys, values, heads)[0] ?? [];
    stream = plus(stream, through(mixed, `layer${layer}.project`));
    const inner = gelu([through(norm(stream, `layer${layer}.output.norm`), `layer${layer}.up`)])[0] ?? [];
    stream = plus(stream, through(inner, `layer${layer}.down`));
  }
  return { logits: through(norm(stream, 'head.norm'), 'logits'), present };
}

/** One example through a transformer of this project's layout. */
function encode(embedded: Row[], definition: ModelDefinition, heads: number): Row {
  const weights = weightsOf(definition);
  let tokens = embedded;
  for (const layer of ['layer0', 'layer1']) {
    tokens = normalized(tokens, attention(tokens, weights, layer, heads), weights, `${layer}.attention.norm`);
    const narrowed = linear(gelu(linear(tokens, weights, `${layer}.up`)), weights, `${layer}.down`);
    tokens = normalized(tokens, narrowed, weights, `${layer}.output.norm`);
  }
  const dense = linear(tokens.slice(0, 1), weights, 'head.dense').map((row) => row.map(Math.tanh));
  return linear(dense, weights, 'head')[0] ?? [];
}
