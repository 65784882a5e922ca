/** What is wrong with something that was read, for people. */
import type { z } from 'zod';

/** `batches.0: too small`, and so on, in one line. @param whole what is meant where all of it is wrong */
export const problemsOf = ({ issues }: z.ZodError, whole: string): string =>
  issues.map(({ path, message }) => `${path.join('.') || whole}: ${message}`).join('; ');
