import { convolution, type ConvolutionOptions, relu } from '../models/convolution';
import type { GraphBuilder } from '../models/graph-builder';

/** Feature maps `[batch, channels, height, width]`. */
export interface Maps {
  value: string;
  channels: number;
}

/** How a convolution differs from one that keeps the size and ends in a ReLU. */
export interface Conv extends Omit<ConvolutionOptions, 'inputs' | 'outputs' | 'kernel'> {
  /** @default 'relu' */
  activation?: 'relu' | 'relu6' | 'none';
}

/** A step of a tower: outputs, kernel, and how it differs. */
export type Step = readonly [outputs: number, kernel: ConvolutionOptions['kernel'], options?: Conv];

/** Builds networks over images, map by map. */
export class ImageNet {
  readonly builder: GraphBuilder;

  constructor(builder: GraphBuilder) {
    this.builder = builder;
  }

  /** An image `[batch, channels, size, size]`. */
  input(size: number, channels = 3): Maps {
    const value = this.builder.input({
      name: 'image',
      type: 'float32',
      dims: ['batch', channels, size, size],
      bound: 2,
    });
    return { value, channels };
  }

  /** Convolution, batch normalization and activation. */
  conv(name: string, from: Maps, [outputs, kernel, { activation = 'relu', ...options } = {}]: Step): Maps {
    const value = convolution(this.builder, name, from.value, { inputs: from.channels, outputs, kernel, ...options });
    if (activation === 'none') return { value, channels: outputs };
    return { value: activation === 'relu' ? this.#relu(name, value) : this.#relu6(name, value), channels: outputs };
  }

  /** Convolution with a bias, neither normalized nor activated. */
  biased(name: string, from: Maps, outputs: number, kernel: number): Maps {
    const { builder } = this;
    const padding = (kernel - 1) / 2;
    const dims = [outputs, from.channels, kernel, kernel];
    const weight = builder.matrix(`${name}.weight`, dims, (from.channels * kernel ** 2) / 2);
    const value = builder.node(name, 'Conv', [from.value, weight, builder.bias(`${name}.bias`, outputs)], {
      kernel_shape: [kernel, kernel],
      pads: [padding, padding, padding, padding],
    });
    return { value, channels: outputs };
  }

  /** One convolution after the other. */
  tower(name: string, from: Maps, steps: readonly Step[]): Maps {
    return steps.reduce((maps, step, at) => this.conv(`${name}.${at}`, maps, step), from);
  }

  relu(name: string, from: Maps): Maps {
    return { ...from, value: this.#relu(name, from.value) };
  }

  /** @param valid without padding */
  pool(name: string, from: Maps, kind: 'max' | 'mean', kernel: number, stride: number, valid: boolean): Maps {
    const padding = valid ? 0 : (kernel - 1) / 2;
    const value = this.builder.node(name, kind === 'max' ? 'MaxPool' : 'AveragePool', [from.value], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    });
    return { ...from, value };
  }

  concat(name: string, parts: readonly Maps[]): Maps {
    const value = this.builder.node(
      name,
      'Concat',
      parts.map((part) => part.value),
      { axis: 1 },
    );
    return { value, channels: parts.reduce((sum, { channels }) => sum + channels, 0) };
  }

  add(name: string, one: Maps, other: Maps): Maps {
    return { ...one, value: this.builder.node(name, 'Add', [one.value, other.value]) };
  }

  /** Twice as high and wide, each pixel repeated. */
  doubled(name: string, from: Maps): Maps {
    const { builder } = this;
    const kept = builder.weight('resize.kept', [2], { center: 1, limit: 0 });
    const twice = builder.weight('resize.twice', [2], { center: 2, limit: 0 });
    const scales = builder.node(`${name}.scales`, 'Concat', [kept, twice], { axis: 0 });
    const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    return { ...from, value: builder.node(name, 'Resize', [from.value, '', scales], attributes) };
  }

  #relu(name: string, value: string): string {
    return relu(this.builder, `${name}.relu`, value);
  }

  #relu6(name: string, value: string): string {
    const bounds = [this.builder.scalar('relu6.least', 0), this.builder.scalar('relu6.most', 6)];
    return this.builder.node(`${name}.relu6`, 'Clip', [value, ...bounds]);
  }
}
