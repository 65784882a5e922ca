/** What callers of a model see of it, as onnxruntime shows it. */
import type { InferenceSession } from 'onnxruntime-node';

/** An input or output; of what is no tensor nothing but the name is known. */
export interface ModelValue {
  name: string;
  type?: string;
  /** Sizes, or names of dimensions that are free. */
  dims?: readonly (number | string)[];
}

export interface ModelInterface {
  inputs: readonly ModelValue[];
  outputs: readonly ModelValue[];
}

export function interfaceOf(session: InferenceSession): ModelInterface {
  return { inputs: session.inputMetadata.map(valueOf), outputs: session.outputMetadata.map(valueOf) };
}

function valueOf(metadata: InferenceSession.ValueMetadata): ModelValue {
  return metadata.isTensor
    ? { name: metadata.name, type: metadata.type, dims: metadata.shape }
    : { name: metadata.name };
}

/** Undefined where both have the same inputs and outputs in the same order, or the first difference. */
export function interfaceChange(original: ModelInterface, other: ModelInterface): string | undefined {
  for (const side of ['inputs', 'outputs'] as const) {
    const [before, after] = [original[side], other[side]];
    for (let index = 0; index < Math.max(before.length, after.length); index++) {
      const [one, two] = [shown(before[index]), shown(after[index])];
      if (one !== two) return `${side.slice(0, -1)} ${index} is ${two} in place of ${one}`;
    }
  }
  return undefined;
}

function shown(value: ModelValue | undefined): string {
  if (value === undefined) return 'none';
  const { name, type, dims } = value;
  return type === undefined ? `'${name}'` : `'${name}' ${type} ${JSON.stringify(dims)}`;
}
