/** What reads bytes of strangers, to be called in this process: as many inputs as possible. */
import { createHash } from 'node:crypto';
import { ftruncateSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { isPluginError, LeaseRequestSchema } from '@tetris/common';
import { fileSource, scanModel, whyUnshareable } from '@tetris/onnx-format';
import { ModelProtoSchema } from '@tetris/onnx-format/messages';
import { planCuts } from '@tetris/tensor-daemon/dist/ingest/graph-rewrite';
import { unshareableError } from '@tetris/tensor-daemon/dist/source/read-model';
import { mendSavedGraph } from '@tetris/tensor-daemon/dist/ingest/saved-graph';
import { formatPacked, parsePacked } from '@tetris/tensor-daemon/dist/ingest/prepacked';
import { checkedLocation } from '@tetris/tensor-daemon/dist/source/uploaded-models';
import { Uploads } from '@tetris/tensor-daemon/dist/source/uploads';
import { Cleanups } from '@tetris/tensor-daemon/dist/store/cleanups';
import { readManifest } from '@tetris/tensor-daemon/dist/store/manifest';
import type { Random } from '../random';

/** Something that reads. It returns, or throws what {@link Parser.expected} knows; anything else is a finding. */
export interface Parser {
  readonly name: string;
  /** Files of the corpus that it starts from, by the end of their names. */
  readonly seeds: RegExp;
  /** Its share of the inputs. */
  readonly share: number;
  readonly read: (input: Buffer, random: Random) => Promise<void> | void;
  readonly expected: (error: unknown) => boolean;
}

const DATA_BYTES = 16_384;

/** @param folder an empty one for the files that some of them read */
export function parsers(folder: string): Parser[] {
  return [scan(folder), rewrite(), manifest(folder), packedNotes(), leaseRequests(), uploads(folder)];
}

function scan(folder: string): Parser {
  const file = openSync(join(folder, 'model'), 'w+');
  return {
    name: 'scan of a model',
    seeds: /\.onnx$/,
    share: 25,
    async read(input) {
      ftruncateSync(file, 0);
      writeSync(file, input, 0, input.length, 0);
      const unshareable = whyUnshareable({ scan: await scanModel(fileSource(file, input.length)) });
      if (unshareable !== undefined) throw unshareableError(unshareable);
    },
    expected: (error) => isPluginError(error),
  };
}

function rewrite(): Parser {
  return {
    name: 'rewrite of a graph',
    seeds: /\.onnx$/,
    share: 20,
    read(input) {
      const model = fromBinary(ModelProtoSchema, input);
      mendSavedGraph(model, ['x']);
      for (const cut of planCuts(model, 'optimized.data', DATA_BYTES, 16).cuts) {
        for (const part of cut.parts) {
          if (part instanceof Uint8Array) continue;
          const sound = part.offset >= 0 && part.length >= 0 && part.offset + part.length <= DATA_BYTES;
          if (!sound) throw new TypeError(`a cut of ${part.offset}+${part.length} lies outside the data`);
        }
        cut.place('a'.repeat(64));
      }
      toBinary(ModelProtoSchema, model);
    },
    // A TypeError would be ours: reading what is not there.
    expected: (error) =>
      error instanceof Error && !(error instanceof TypeError) && !/stack|array length/i.test(error.message),
  };
}

function manifest(folder: string): Parser {
  const path = join(folder, 'manifest.json');
  return {
    name: 'manifest of a model',
    seeds: /manifest\.json$/,
    share: 15,
    read(input) {
      writeFileSync(path, input);
      const found = readManifest(path);
      if (found === undefined) throw new Error('no manifest');
      for (const { sha256, bytes } of found.tensors) {
        if (!/^[0-9a-f]{64}$/.test(sha256) || !Number.isSafeInteger(bytes))
          throw new TypeError(`'${sha256}' got through`);
      }
    },
    expected: (error) => error instanceof Error && error.message === 'no manifest',
  };
}

function packedNotes(): Parser {
  return {
    name: 'notes of packed forms',
    seeds: /packed-.*\.txt$/,
    share: 25,
    read(input) {
      const form = parsePacked(input.toString('utf8'));
      const again = parsePacked(formatPacked(form));
      if (JSON.stringify(again) !== JSON.stringify(form)) throw new TypeError('it reads differently the second time');
    },
    expected: (error) => error instanceof RangeError && error.message.startsWith('not a packed form'),
  };
}

function leaseRequests(): Parser {
  return {
    name: 'lease requests',
    seeds: /lease-.*\.json$/,
    share: 14,
    read(input) {
      const { source } = LeaseRequestSchema.parse(JSON.parse(input.toString('utf8')));
      if (source.kind !== 'digest') return;
      for (const { location } of source.externalData) {
        const path = join('/folder', checkedLocation(location));
        if (!path.startsWith('/folder/') && path !== '/folder') throw new TypeError(`${path} lies outside`);
      }
    },
    expected: (error) =>
      error instanceof SyntaxError || isPluginError(error, 'ERR_MODEL_INVALID') || (error as Error).name === 'ZodError',
  };
}

/** The upload path: bytes in pieces, some of which end in an error; what is kept is what arrived, whole. */
function uploads(folder: string): Parser {
  const limits = { uploadsMax: 4, uploadBytesMax: 4_096, uploadTtlMs: 5, uploadsPerNamespaceMax: 2 };
  let nowMs = 0;
  const path = join(folder, 'uploads');
  const kept = new Uploads(
    path,
    { ...limits, uploadBytesPerNamespaceMax: 3_000 },
    async () => undefined,
    new Cleanups(
      { cleanupAttemptsMax: 3, cleanupRetryMs: 1 },
      () => undefined,
      () => nowMs,
    ),
    () => nowMs,
  );
  return {
    name: 'uploads',
    seeds: /./,
    share: 1,
    async read(input, random) {
      nowMs += random(3);
      kept.expire(nowMs);
      const before = readdirSync(path).sort();
      const breaks = random(4) === 0;
      const body = Readable.from(pieces(input, random, breaks));
      // As a request's body, which raises no error that nobody listens for: the refusal may have come before it.
      body.on('error', () => undefined);
      const tenant = { namespace: random(2) === 0 ? 'one' : '', scope: random(2) === 0 ? 'namespace:one' : '' };
      try {
        const { sha256 } = await kept.receive(body, tenant);
        if (sha256 !== createHash('sha256').update(input).digest('hex')) throw new TypeError('it has another digest');
        const [name] = readdirSync(path).filter((each) => each.endsWith(sha256) && !before.includes(each));
        if (name !== undefined && !readFileSync(join(path, name)).equals(input)) throw new TypeError('it is torn');
      } catch (error) {
        if (readdirSync(path).sort().join() !== before.join()) throw new TypeError('a refused upload left something');
        throw error;
      }
    },
    expected: (error) =>
      isPluginError(error, 'ERR_UPLOAD_LIMIT') ||
      isPluginError(error, 'ERR_MODEL_TOO_LARGE') ||
      (error instanceof Error && error.message === 'the sender is gone'),
  };
}

function* pieces(input: Buffer, random: Random, breaks: boolean): Generator<Buffer, void, void> {
  for (let at = 0; at < input.length;) {
    const length = 1 + random(1_000);
    yield input.subarray(at, at + length);
    at += length;
    if (breaks && random(2) === 0) throw new Error('the sender is gone');
  }
}
