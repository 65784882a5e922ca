/** Whatever keeps a model from being loaded is in the answer, with what to do about it. */
import { type Platform, startPlatform } from '@tetris/standalone';
import type openwhisk from 'openwhisk';
import { type ArchiveFile, zip } from '../support/archives';
import { clientOf } from '../support/platform';

const atTheTop = (model: string): string => `
const ort = require('onnxruntime-node');
const session = ort.InferenceSession.create(${JSON.stringify(model)});
exports.main = async () => ({ inputs: (await session).inputNames });
`;
const inMain = (model: string): string => `
const ort = require('onnxruntime-node');
exports.main = async () => ({ inputs: (await ort.InferenceSession.create(${JSON.stringify(model)})).inputNames });
`;

let platform: Platform;
let client: openwhisk.Client;

beforeAll(async () => {
  platform = await startPlatform({ logLevel: 'silent' });
  client = clientOf(platform);
});
afterAll(() => platform?.stop());

/** What the answer of an action with these files says went wrong. */
async function errorOf(name: string, code: string, ...files: ArchiveFile[]): Promise<string> {
  const archive = zip([{ name: 'index.js', data: code }, ...files]).toString('base64');
  const action = { exec: { kind: 'nodejs:tetris', code: archive } };
  await client.actions.update({ name, action: action });
  const failure = (await client.actions.invoke({ name, blocking: true }).catch((error: unknown) => error)) as {
    error: { response: { result: { error: string | { message: string } } } };
  };
  const { error } = failure.error.response.result;
  return typeof error === 'string' ? error : error.message;
}

describe('the answer says why a model did not load', () => {
  const missing = /Load model from model\.onnx failed:Load model model\.onnx failed\. File doesn't exist$/;
  const damaged = /Load model from model\.onnx failed:Protobuf parsing failed\.$/;
  const unknown = /no configured source allows 'https:\/\/\S+'; the operator allows URLs .*--url/;
  const garbage = { name: 'model.onnx', data: 'no model' };

  it.each([
    ['is missing', 'model.onnx', [], missing],
    ['is damaged', 'model.onnx', [garbage], damaged],
    ['has a URL that nobody allows', 'https://models.example.org/m.onnx', [], unknown],
  ] as [string, string, ArchiveFile[], RegExp][])('where it %s', async (_case, model, files, text) => {
    const top = await errorOf('top', atTheTop(model), ...files);
    // Of the initialization, or of the first activation where that waits for the model already.
    expect(top).toMatch(text);
    expect(top).not.toContain(platform.nodes[0]?.privatePath);
    expect(top).not.toContain(__dirname.replace(/\/test\/e2e$/, ''));
    expect(await errorOf('main', inMain(model), ...files)).toMatch(text);
  });

  it('where an action fails after it was loaded and before it is first asked', async () => {
    const late = `
      setTimeout(() => Promise.reject(new Error('the key has expired')), 50);
      exports.main = async () => new Promise((resolve) => setTimeout(() => resolve({}), 500));
    `;
    expect(await errorOf('late', late)).toBe('An error has occurred: Error: the key has expired');
  });

  it.each([49, 60])('where its archive has %i MB: with the ways to do without', async (megabytes) => {
    const action = { exec: { kind: 'nodejs:tetris', code: 'A'.repeat(megabytes * 1024 ** 2) } };
    const refusal = (await client.actions
      .update({ name: 'large', action: action })
      .catch((error: unknown) => error)) as { statusCode: number; error: { error: string } };
    expect(refusal.statusCode).toBe(413);
    for (const word of ['--models', '--url', 'onnxruntime-*']) expect(refusal.error.error).toContain(word);
  });
});
