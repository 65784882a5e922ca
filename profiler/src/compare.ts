/** How far the outputs of a converted model are from those of the model as it came, in a real instance. */
import { z } from 'zod';
import { type Deviation, DeviationSchema } from '@tetris/invoker-extension';
import { type InstanceOptions, runAction, withInstance } from './instance';
import { COMPARE_ACTION, type CompareRequest, type InputOptions } from './profile-action';

const CompareReplySchema = z.object({ deviations: z.array(DeviationSchema) });

/** @throws PluginError with the reason why they cannot be compared */
export function compareModels(
  models: { model: string; other: string; samples: number },
  inputs: InputOptions,
  options: InstanceOptions,
): Promise<Deviation[]> {
  const value: CompareRequest = { ...inputs, ...models };
  return withInstance(1, options, async (container) => {
    const action = { code: COMPARE_ACTION, shape: { workers: 1, threads: 1 }, value };
    return CompareReplySchema.parse(await runAction(container, action, options)).deviations;
  });
}
