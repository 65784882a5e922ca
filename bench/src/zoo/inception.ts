import { imageClassifier } from '../models/convolution';
import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';
import { ImageNet, type Maps, type Step } from './image-net';

/** Inception v3 (Szegedy 2016) over `[batch, 3, 299, 299]`: 24 million weights. */
export function inceptionV3(name: string, { labels = 1000, seed = 1 } = {}): ModelDefinition {
  const net = new ImageNet(new GraphBuilder(name, seed));
  let maps = stem(net);
  for (const [at, pooled] of [32, 64, 64].entries()) {
    maps = mixed(
      net,
      `a${at}`,
      maps,
      [
        [[64, 1]],
        [
          [48, 1],
          [64, 5],
        ],
        [
          [64, 1],
          [96, 3],
          [96, 3],
        ],
      ],
      pooled,
    );
  }
  maps = reduced(net, 'b', maps, [
    [[384, 3, HALVED]],
    [
      [64, 1],
      [96, 3],
      [96, 3, HALVED],
    ],
  ]);
  for (const [at, inner] of [128, 160, 160, 192].entries()) {
    maps = mixed(
      net,
      `c${at}`,
      maps,
      [
        [[192, 1]],
        [
          [inner, 1],
          [inner, [1, 7]],
          [192, [7, 1]],
        ],
        [
          [inner, 1],
          [inner, [7, 1]],
          [inner, [1, 7]],
          [inner, [7, 1]],
          [192, [1, 7]],
        ],
      ],
      192,
    );
  }
  maps = reduced(net, 'd', maps, [
    [
      [192, 1],
      [320, 3, HALVED],
    ],
    [
      [192, 1],
      [192, [1, 7]],
      [192, [7, 1]],
      [192, 3, HALVED],
    ],
  ]);
  for (const at of [0, 1]) maps = widest(net, `e${at}`, maps);
  imageClassifier(net.builder, maps.value, maps.channels, labels);
  return net.builder.finish();
}

/** Inception-ResNet v2 (Szegedy 2017) over `[batch, 3, 299, 299]`: 56 million weights. */
export function inceptionResnetV2(name: string, { labels = 1000, seed = 1 } = {}): ModelDefinition {
  const net = new ImageNet(new GraphBuilder(name, seed));
  let maps = mixed(
    net,
    'mixed',
    stem(net),
    [
      [[96, 1]],
      [
        [48, 1],
        [64, 5],
      ],
      [
        [64, 1],
        [96, 3],
        [96, 3],
      ],
    ],
    64,
  );
  maps = residuals(net, 'block35', maps, 10, 0.17, [
    [[32, 1]],
    [
      [32, 1],
      [32, 3],
    ],
    [
      [32, 1],
      [48, 3],
      [64, 3],
    ],
  ]);
  maps = reduced(net, 'reduced17', maps, [
    [[384, 3, HALVED]],
    [
      [256, 1],
      [256, 3],
      [384, 3, HALVED],
    ],
  ]);
  maps = residuals(net, 'block17', maps, 20, 0.1, [
    [[192, 1]],
    [
      [128, 1],
      [160, [1, 7]],
      [192, [7, 1]],
    ],
  ]);
  maps = reduced(net, 'reduced8', maps, [
    [
      [256, 1],
      [384, 3, HALVED],
    ],
    [
      [256, 1],
      [288, 3, HALVED],
    ],
    [
      [256, 1],
      [288, 3],
      [320, 3, HALVED],
    ],
  ]);
  maps = residuals(net, 'block8', maps, 10, 0.2, [
    [[192, 1]],
    [
      [192, 1],
      [224, [1, 3]],
      [256, [3, 1]],
    ],
  ]);
  const last = net.conv('last', maps, [1536, 1]);
  imageClassifier(net.builder, last.value, last.channels, labels);
  return net.builder.finish();
}

const HALVED = { stride: 2, valid: true } as const;

/** From 299 to 35 pixels, and to 192 channels. */
function stem(net: ImageNet): Maps {
  const first = net.tower('stem', net.input(299), [
    [32, 3, HALVED],
    [32, 3, { valid: true }],
    [64, 3],
  ]);
  const pooled = net.pool('stem.pool', first, 'max', 3, 2, true);
  const second = net.tower('stem.second', pooled, [
    [80, 1],
    [192, 3, { valid: true }],
  ]);
  return net.pool('stem.second.pool', second, 'max', 3, 2, true);
}

const branches = (net: ImageNet, name: string, from: Maps, towers: readonly (readonly Step[])[]): Maps[] =>
  towers.map((steps, at) => net.tower(`${name}.branch${at}`, from, steps));

/** Towers side by side, and one over the means of neighbours. */
function mixed(net: ImageNet, name: string, from: Maps, towers: readonly (readonly Step[])[], pooled: number): Maps {
  const means = net.conv(`${name}.pooled`, net.pool(`${name}.pool`, from, 'mean', 3, 1, false), [pooled, 1]);
  return net.concat(name, [...branches(net, name, from, towers), means]);
}

/** Towers that halve the image, and the greatest of neighbours. */
function reduced(net: ImageNet, name: string, from: Maps, towers: readonly (readonly Step[])[]): Maps {
  return net.concat(name, [...branches(net, name, from, towers), net.pool(`${name}.pool`, from, 'max', 3, 2, true)]);
}

/** Blocks whose towers, joined and scaled, are added to their input. */
function residuals(
  net: ImageNet,
  name: string,
  from: Maps,
  count: number,
  gain: number,
  towers: readonly (readonly Step[])[],
): Maps {
  let maps = from;
  for (let at = 0; at < count; at += 1) {
    const block = `${name}.${at}`;
    const joined = net.concat(`${block}.joined`, branches(net, block, maps, towers));
    const update = net.conv(`${block}.up`, joined, [maps.channels, 1, { gain, activation: 'none' }]);
    maps = net.relu(block, net.add(`${block}.sum`, maps, update));
  }
  return maps;
}

/** The last blocks of Inception v3: towers that end in a row beside a column. */
function widest(net: ImageNet, name: string, from: Maps): Maps {
  const split = (part: string, steps: readonly Step[]): Maps[] => {
    const before = net.tower(`${name}.${part}`, from, steps);
    return [
      net.conv(`${name}.${part}.row`, before, [384, [1, 3]]),
      net.conv(`${name}.${part}.column`, before, [384, [3, 1]]),
    ];
  };
  const means = net.conv(`${name}.pooled`, net.pool(`${name}.pool`, from, 'mean', 3, 1, false), [192, 1]);
  return net.concat(name, [
    net.conv(`${name}.single`, from, [320, 1]),
    ...split('short', [[384, 1]]),
    ...split('long', [
      [448, 1],
      [384, 3],
    ]),
    means,
  ]);
}
