/** Tiny models that say, by their answers, what was joined with what. */
import { GraphBuilder, type ModelDefinition } from '@tetris/bench';

/** `y = 3 x` over `[batch, length]`: every answer carries the tag that was fed. */
export function tagging(): ModelDefinition {
  return model('tagging', (builder, x) => builder.node('y', 'Mul', [x, builder.scalar('three', 3)]));
}

/** `y = x - mean over the batch`: alone every answer is 0, joined it is not. */
export function mixing(): ModelDefinition {
  return model('mixing', (builder, x) => {
    const mean = builder.node('mean', 'ReduceMean', [x], { axes: [0], keepdims: 1 });
    return builder.node('y', 'Sub', [x, mean]);
  });
}

/** `y = 4 x`, by a product that takes a batch of one only although its graph declares any. */
export function oneAtATime(): ModelDefinition {
  return model('one-at-a-time', (builder, x) => {
    const three = builder.weight('three', [1, 1], { center: 3, limit: 0 });
    return builder.node('y', 'Add', [x, builder.node('product', 'MatMul', [three, x])]);
  });
}

/** `y`, one number per call, has no batch axis. */
export function summing(): ModelDefinition {
  const builder = new GraphBuilder('summing', 1);
  const x = builder.input({ name: 'x', type: 'float32', dims: ['batch', 'length'], bound: 1 });
  builder.constant('axes', [0, 1]);
  builder.node('y', 'ReduceSum', [x, 'axes'], { keepdims: 0 });
  builder.output('y', []);
  return builder.finish();
}

/**
 * `y = 3 x` and `pooled`, the mean of x over what the mask leaves of the sequence; with `heedless` the mean over all of
 * it, as a model would that does not heed its mask.
 */
export function masked(heedless = false): ModelDefinition {
  const builder = new GraphBuilder(heedless ? 'heedless' : 'masked', 1);
  const dims = ['batch', 'sequence'];
  const x = builder.input({ name: 'x', type: 'float32', dims, bound: 1 });
  const mask = builder.input({ name: 'attention_mask', type: 'int64', dims, bound: 2 });
  const weight = builder.node('weight', 'Cast', [mask], { to: 1 });
  builder.constant('axis', [1]);
  builder.node('y', 'Mul', [x, builder.scalar('three', 3)]);
  const sum = (name: string, of: string): string => builder.node(name, 'ReduceSum', [of, 'axis'], { keepdims: 0 });
  const total = sum('total', builder.node('kept', 'Mul', [x, weight]));
  if (heedless) builder.node('pooled', 'ReduceMean', [x], { axes: [1], keepdims: 0 });
  else builder.node('pooled', 'Div', [total, sum('count', weight)]);
  builder.output('y', dims);
  builder.output('pooled', ['batch']);
  return builder.finish();
}

function model(name: string, body: (builder: GraphBuilder, x: string) => string): ModelDefinition {
  const builder = new GraphBuilder(name, 1);
  body(builder, builder.input({ name: 'x', type: 'float32', dims: ['batch', 'length'], bound: 1 }));
  builder.output('y', ['batch', 'length']);
  return builder.finish();
}
