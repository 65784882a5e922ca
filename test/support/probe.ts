/** The probe action in the action runtime, and the same program on the real onnxruntime-node. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Feed } from '@tetris/bench';
import { zip } from './archives';
import { RuntimeProcess } from './runtime';

const PROBE = path.join(__dirname, 'probe-action.cjs');
const STOCK_TIMEOUT_MS = 60_000;

interface Shown {
  type: string;
  dims: number[];
  data: string[];
}

export interface Failure {
  failed: string;
  message: string;
  code?: string;
}

export type CallReport = { results: Record<string, Shown>; feedsIntact: boolean; classes: boolean } | Failure;

/** What the probe saw; see `probe-action.cjs`. */
export interface Report {
  create?: Failure;
  inputNames: string[];
  calls: CallReport[];
}

/** An instance with the probe as its action, and `extra` files beside it. */
export async function probeInstance(
  env: Record<string, string>,
  extra: Record<string, string | Buffer> = {},
  tetris = {},
): Promise<{ runtime: RuntimeProcess; probe: (argument: object) => Promise<Report> }> {
  const runtime = await RuntimeProcess.start({ __OW_ALLOW_CONCURRENT: 'true', ...env });
  const files = Object.entries({ 'index.js': readFileSync(PROBE), ...extra }).map(([name, data]) => ({ name, data }));
  const reply = await runtime.init({ binary: true, code: zip(files).toString('base64'), tetris });
  expect(reply).toMatchObject({ status: 200 });
  const probe = async (argument: object): Promise<Report> => {
    const { status, body } = await runtime.run(argument);
    expect(status).toBe(200);
    return body as Report;
  };
  return { runtime, probe };
}

export async function onStock(argument: object): Promise<Report> {
  const running = promisify(execFile)(process.execPath, [PROBE], { timeout: STOCK_TIMEOUT_MS, maxBuffer: 2 ** 26 });
  running.child.stdin?.end(JSON.stringify(argument));
  return JSON.parse((await running).stdout) as Report;
}

/** Feeds as the probe takes them. */
export function probeFeeds(feeds: readonly Feed[]): Record<string, object> {
  const entries = feeds.map(({ name, type, dims, data }) => [
    name,
    { type, dims, data: Array.from<number | bigint, number>(data, Number) },
  ]);
  return Object.fromEntries(entries) as Record<string, object>;
}

/** Several arguments in one call of {@link probeInstance}'s probe or {@link onStock}. */
export async function eachOf(run: (argument: object) => Promise<object>, each: readonly object[]): Promise<Report[]> {
  return ((await run({ each })) as { reports: Report[] }).reports;
}

/** Equal but for rounding: relative to the largest value of the tensor. Texts are the same. */
export function expectClose(actual: Report, expected: Report, relative = 1e-5): void {
  expect(strip(actual)).toEqual(strip(expected));
  actual.calls.forEach((call, index) => {
    const other = expected.calls[index];
    if (!('results' in call) || other === undefined || !('results' in other)) return;
    for (const [name, { type, data }] of Object.entries(call.results)) {
      const wanted = other.results[name]?.data ?? [];
      if (type === 'string') expect(data).toEqual(wanted);
      else expectNumbers(data.map(Number), wanted.map(Number), relative);
    }
  });
}

function expectNumbers(actual: readonly number[], expected: readonly number[], relative: number): void {
  const scale = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...actual.map((value, at) => Math.abs(value - (expected[at] ?? NaN))));
  expect(worst / scale).toBeLessThanOrEqual(relative);
}

/** A report without the numbers. */
const strip = (report: Report): unknown =>
  JSON.parse(JSON.stringify(report), (key, value: unknown) => (key === 'data' ? (value as unknown[]).length : value));
