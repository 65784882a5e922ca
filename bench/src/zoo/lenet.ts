import { relu } from '../models/convolution';
import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';
import { ImageNet } from './image-net';

/** LeNet (LeCun 1998) in the wide form of tutorials over `[batch, 1, 28, 28]`: 5.7 million weights. */
export function lenet(name: string, { hidden = 1792, labels = 10, seed = 1 } = {}): ModelDefinition {
  const net = new ImageNet(new GraphBuilder(name, seed));
  const { builder } = net;
  let maps = net.input(28, 1);
  for (const [at, channels] of [32, 64].entries()) {
    maps = net.relu(`conv${at}`, net.biased(`conv${at}`, maps, channels, 5));
    maps = net.pool(`pool${at}`, maps, 'max', 2, 2, true);
  }
  const flat = builder.node('flat', 'Flatten', [maps.value], { axis: 1 });
  const dense = relu(builder, 'dense.relu', builder.linear('dense', flat, 7 * 7 * maps.channels, hidden));
  builder.linear('logits', dense, hidden, labels);
  builder.output('logits', ['batch', labels]);
  return builder.finish();
}
