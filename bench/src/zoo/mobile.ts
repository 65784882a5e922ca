import { imageClassifier } from '../models/convolution';
import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';
import { ImageNet, type Maps } from './image-net';

/** MobileNet v2 (Sandler 2018) over `[batch, 3, 224, 224]`: 3.5 million weights. */
export function mobilenetV2(name: string, { labels = 1000, seed = 1 } = {}): ModelDefinition {
  const net = new ImageNet(new GraphBuilder(name, seed));
  let maps = net.conv('stem', net.input(224), [32, 3, { stride: 2, activation: 'relu6' }]);
  for (const [stage, { times, channels, blocks, stride }] of INVERTED.entries()) {
    for (let block = 0; block < blocks; block += 1) {
      maps = inverted(net, `stage${stage}.${block}`, maps, { times, channels, stride: block === 0 ? stride : 1 });
    }
  }
  const last = net.conv('last', maps, [1280, 1, { activation: 'relu6' }]);
  imageClassifier(net.builder, last.value, last.channels, labels);
  return net.builder.finish();
}

const INVERTED = [
  { times: 1, channels: 16, blocks: 1, stride: 1 },
  { times: 6, channels: 24, blocks: 2, stride: 2 },
  { times: 6, channels: 32, blocks: 3, stride: 2 },
  { times: 6, channels: 64, blocks: 4, stride: 2 },
  { times: 6, channels: 96, blocks: 3, stride: 1 },
  { times: 6, channels: 160, blocks: 3, stride: 2 },
  { times: 6, channels: 320, blocks: 1, stride: 1 },
] as const;

/** Wide in the middle, narrow at the ends, which are added where they are alike. */
function inverted(
  net: ImageNet,
  name: string,
  from: Maps,
  { times, channels, stride }: { times: number; channels: number; stride: number },
): Maps {
  const inner = from.channels * times;
  const wide = times === 1 ? from : net.conv(`${name}.wide`, from, [inner, 1, { activation: 'relu6' }]);
  const deep = net.conv(`${name}.deep`, wide, [inner, 3, { stride, groups: inner, activation: 'relu6' }]);
  const narrow = net.conv(`${name}.narrow`, deep, [channels, 1, { activation: 'none', gain: 0.5 }]);
  return stride === 1 && channels === from.channels ? net.add(`${name}.sum`, from, narrow) : narrow;
}

/**
 * SSD (Liu 2016) on MobileNet v1 (Howard 2017) over `[batch, 3, 300, 300]`: 1917 boxes `[batch, 1917, 4]` and their
 * classes `[batch, 1917, labels]`, 6.8 million weights.
 */
export function ssdMobilenet(name: string, { labels = 91, seed = 1 } = {}): ModelDefinition {
  const net = new ImageNet(new GraphBuilder(name, seed));
  const features = detected(net);
  const flat = (part: string, width: number): void => {
    net.builder.constant(`${part}.shape`, [0, -1, width]);
    const parts = features.map((maps, at) => {
      const head = net.biased(`${part}.${at}`, maps, (at === 0 ? 3 : 6) * width, 1);
      const last = net.builder.node(`${part}.${at}.last`, 'Transpose', [head.value], { perm: [0, 2, 3, 1] });
      return net.builder.node(`${part}.${at}.flat`, 'Reshape', [last, `${part}.shape`]);
    });
    net.builder.node(part, 'Concat', parts, { axis: 1 });
    net.builder.output(part, ['batch', BOXES, width]);
  };
  flat('boxes', 4);
  flat('classes', labels);
  return net.builder.finish();
}

/** Three for each of 19 x 19 places, six for each of 10 x 10, 5 x 5, 3 x 3, 2 x 2 and one. */
const BOXES = 1917;

/** Feature maps of six sizes. */
function detected(net: ImageNet): Maps[] {
  const features: Maps[] = [];
  let maps = net.conv('stem', net.input(300), [32, 3, { stride: 2, activation: 'relu6' }]);
  for (const [at, [outputs, stride]] of SEPARABLE.entries()) {
    const groups = maps.channels;
    const deep = net.conv(`layer${at}.deep`, maps, [groups, 3, { stride, groups, activation: 'relu6' }]);
    maps = net.conv(`layer${at}`, deep, [outputs, 1, { activation: 'relu6' }]);
    if (at === 10 || at === SEPARABLE.length - 1) features.push(maps);
  }
  for (const [at, [inner, outputs]] of EXTRAS.entries()) {
    const narrow = net.conv(`extra${at}.narrow`, maps, [inner, 1, { activation: 'relu6' }]);
    maps = net.conv(`extra${at}`, narrow, [outputs, 3, { stride: 2, activation: 'relu6' }]);
    features.push(maps);
  }
  return features;
}

const SEPARABLE = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
  [512, 2],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [512, 1],
  [1024, 2],
  [1024, 1],
] as const;

const EXTRAS = [
  [256, 512],
  [128, 256],
  [128, 256],
  [64, 128],
] as const;
