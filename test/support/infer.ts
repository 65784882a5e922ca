import type { Feed } from '@tetris/bench';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Inferred {
  dims: number[];
  data: number[];
}

/** Runs a model once with plain onnxruntime in a process of its own. */
export async function infer(
  modelPath: string,
  feeds: readonly Feed[],
  level: 'all' | 'disabled' = 'all',
): Promise<Record<string, Inferred>> {
  const running = promisify(execFile)(process.execPath, [join(__dirname, 'infer-main.cjs'), modelPath, level], {
    timeout: 120_000,
    maxBuffer: 64 * 1024 ** 2,
    env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
  });
  const plain = feeds.map((feed) => ({ ...feed, data: Array.from<number | bigint, number>(feed.data, Number) }));
  running.child.stdin?.end(JSON.stringify(plain));
  return JSON.parse((await running).stdout) as Record<string, Inferred>;
}
