import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';
import { ImageNet, type Maps } from './image-net';

/** Channels and residual units of each level of an hourglass, from the outermost in. */
const LEVELS = [
  { channels: 256, units: 2 },
  { channels: 256, units: 2 },
  { channels: 384, units: 2 },
  { channels: 384, units: 2 },
  { channels: 384, units: 2 },
  { channels: 512, units: 4 },
] as const;

/** What is predicted for each place: heat of 80 classes, sizes, offsets. */
const HEADS = { heat: 80, size: 2, offset: 2 } as const;

/**
 * CenterNet (Zhou 2019) on Hourglass-104 (Law 2018): `[batch, 3, size, size]` to maps of a quarter of the size, 191
 * million weights. The weights are those for 512 pixels; the image is smaller, so that one run takes a second.
 */
export function centernet(name: string, { imageSize = 256, seed = 1 } = {}): ModelDefinition {
  const net = new ImageNet(new GraphBuilder(name, seed));
  const stem = net.conv('stem', net.input(imageSize), [128, 7, { stride: 2 }]);
  let maps = residual(net, 'stem.residual', stem, 256, 2);
  for (const stack of [0, 1]) {
    const features = net.conv(`stack${stack}.out`, hourglass(net, `stack${stack}`, maps, 0), [256, 3]);
    if (stack === 1) heads(net, features, imageSize / 4);
    else maps = between(net, maps, features);
  }
  return net.builder.finish();
}

/** The way in at full size beside the way through half of it, added. */
function hourglass(net: ImageNet, name: string, from: Maps, level: number): Maps {
  const [outer, inner] = [levelOf(level), levelOf(level + 1)];
  const kept = residuals(net, `${name}.kept`, from, Array<number>(outer.units).fill(outer.channels));
  const halved = residual(net, `${name}.halved`, from, inner.channels, 2);
  const down = residuals(net, `${name}.down`, halved, Array<number>(outer.units - 1).fill(inner.channels));
  const through =
    level + 2 < LEVELS.length
      ? hourglass(net, `${name}.in`, down, level + 1)
      : residuals(net, `${name}.in`, down, Array<number>(inner.units).fill(inner.channels));
  const back = [...Array<number>(outer.units - 1).fill(inner.channels), outer.channels];
  const up = net.doubled(`${name}.doubled`, residuals(net, `${name}.up`, through, back));
  return net.add(name, kept, up);
}

function levelOf(level: number): (typeof LEVELS)[number] {
  const found = LEVELS[level];
  if (found === undefined) throw new RangeError(`an hourglass has ${LEVELS.length} levels, not ${level + 1}`);
  return found;
}

const residuals = (net: ImageNet, name: string, from: Maps, channels: readonly number[]): Maps =>
  channels.reduce((maps, outputs, at) => residual(net, `${name}.${at}`, maps, outputs), from);

/** Two 3x3 convolutions, added to the input, which is projected where its shape differs. */
function residual(net: ImageNet, name: string, from: Maps, outputs: number, stride = 1): Maps {
  const first = net.conv(`${name}.first`, from, [outputs, 3, { stride }]);
  const second = net.conv(`${name}.second`, first, [outputs, 3, { gain: 0.3, activation: 'none' }]);
  const alike = stride === 1 && from.channels === outputs;
  const input = alike ? from : net.conv(`${name}.project`, from, [outputs, 1, { stride, activation: 'none' }]);
  return net.relu(name, net.add(`${name}.sum`, input, second));
}

/** What the second hourglass is fed with: the first one's input and output. */
function between(net: ImageNet, input: Maps, output: Maps): Maps {
  const one = net.conv('between.input', input, [256, 1, { activation: 'none' }]);
  const other = net.conv('between.output', output, [256, 1, { activation: 'none' }]);
  return residual(net, 'between', net.relu('between.joined', net.add('between.added', one, other)), 256);
}

function heads(net: ImageNet, features: Maps, size: number): void {
  for (const [head, outputs] of Object.entries(HEADS)) {
    const wide = net.relu(`${head}.wide`, net.biased(`${head}.wide`, features, 256, 3));
    net.biased(head, wide, outputs, 1);
    net.builder.output(head, ['batch', outputs, size, size]);
  }
}
