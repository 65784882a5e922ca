import { relu } from '../models/convolution';
import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';
import { ImageNet, type Maps } from './image-net';

/** LeNet (LeCun 1998) in the wide form of tutorials over `[batch, 1, 28, 28]`: 5.7 million weights. */
export function lenet(name: string, { hidden = 1792, labels = 10, seed = 1 } = {}): ModelDefinition {
  const net = new ImageNet(new GraphBuilder(name, seed));
  const maps = plain(net, net.input(28, 1), 5, [[32], [64]]);
  return dense(net, maps, 7, [hidden], labels);
}

/** VGG-16 (Simonyan 2015) over `[batch, 3, 224, 224]`: 138 million weights, nine in ten of them in dense layers. */
export function vgg16(name: string, { labels = 1000, seed = 1 } = {}): ModelDefinition {
  const net = new ImageNet(new GraphBuilder(name, seed));
  const stages = [
    [64, 64],
    [128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [512, 512, 512],
  ];
  return dense(net, plain(net, net.input(224), 3, stages), 7, [4096, 4096], labels);
}

/** Stages of convolutions without normalization; each ends in half the size. */
function plain(net: ImageNet, from: Maps, kernel: number, stages: readonly (readonly number[])[]): Maps {
  return stages.reduce((maps, outputs, stage) => {
    const last = outputs.reduce(
      (input, channels, at) =>
        net.relu(`conv${stage}.${at}`, net.biased(`conv${stage}.${at}`, input, channels, kernel)),
      maps,
    );
    return net.pool(`pool${stage}`, last, 'max', 2, 2, true);
  }, from);
}

/** Dense layers over maps of `size` x `size`, and `logits` `[batch, labels]`. */
function dense(
  { builder }: ImageNet,
  maps: Maps,
  size: number,
  hidden: readonly number[],
  labels: number,
): ModelDefinition {
  let stream = builder.node('flat', 'Flatten', [maps.value], { axis: 1 });
  let inputs = maps.channels * size * size;
  for (const [at, outputs] of hidden.entries()) {
    stream = relu(builder, `dense${at}.relu`, builder.linear(`dense${at}`, stream, inputs, outputs));
    inputs = outputs;
  }
  builder.linear('logits', stream, inputs, labels);
  builder.output('logits', ['batch', labels]);
  return builder.finish();
}
