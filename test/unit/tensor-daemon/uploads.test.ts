import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { UploadedModels } from '../../../tensor-daemon/src/source/uploaded-models';
import { Uploads, type UploadsOptions } from '../../../tensor-daemon/src/source/uploads';
import { withFiles } from '../../../tensor-daemon/src/source/model-files';
import { ANYBODY, type Tenant } from '../../../tensor-daemon/src/tenant';
import { testCleanups } from '../../support/store-world';

const root = mkdtempSync(join(tmpdir(), 'uploads-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const LIMITS: UploadsOptions = {
  uploadsMax: 4,
  uploadBytesMax: 1_000,
  uploadsPerNamespaceMax: 2,
  uploadBytesPerNamespaceMax: 500,
  uploadTtlMs: 100,
};
const GUEST: Tenant = { namespace: 'guest', scope: '' };

let count = 0;
function made(limits: Partial<UploadsOptions> = {}) {
  const folder = join(root, String(++count));
  mkdirSync(folder);
  const clock = { nowMs: 0 };
  const room = async (): Promise<void> => undefined;
  const now = (): number => clock.nowMs;
  const uploads = new Uploads(folder, { ...LIMITS, ...limits }, room, testCleanups(now), now);
  const send = (bytes: Buffer, tenant: Tenant = ANYBODY) => uploads.receive(Readable.from([bytes]), tenant);
  const models = new UploadedModels(uploads, { modelBytesMax: 10_000, externalFilesMax: 3 });
  return { uploads, models, send, clock, names: () => readdirSync(folder) };
}
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const numbered = (number: number): Buffer => Buffer.alloc(100, number);
const source = (bytes: Buffer) => ({ kind: 'digest' as const, sha256: digest(bytes), externalData: [] });

describe('Uploads', () => {
  it('keep what nobody asks for as long as they say', async () => {
    const { uploads, send, clock } = made();
    await send(numbered(1));
    uploads.expire((clock.nowMs = 99));
    expect(uploads.has(digest(numbered(1)))).toBe(true);
    uploads.expire((clock.nowMs = 100));
    expect([uploads.has(digest(numbered(1))), uploads.bytes]).toEqual([false, 0]);
  });

  it('count only what waits: many models of a namespace, one after the other', async () => {
    const { uploads, models, send, names } = made();
    for (let number = 0; number < 200; number++) {
      await send(numbered(number), GUEST);
      await withFiles(models.files(source(numbered(number)), GUEST), async () => undefined);
    }
    expect([uploads.bytes, names()]).toEqual([0, []]);
  });

  it('stay while somebody waits for them, however long, and until the last one is done', async () => {
    const { uploads, models, send, clock, names } = made();
    await send(numbered(1));
    const files = models.files(source(numbered(1)));
    await withFiles(files, async () => {
      uploads.expire((clock.nowMs = 10_000));
      await withFiles(files, async () => undefined);
      expect(names()).toHaveLength(1);
    });
    expect(names()).toEqual([]);
  });

  it('stay for a while where the ingest fails: nobody can take away what another has brought', async () => {
    const { uploads, models, send, clock, names } = made();
    await send(numbered(1));
    const failing = withFiles(models.files(source(numbered(1))), () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(names()).toHaveLength(1);
    uploads.expire((clock.nowMs = 100));
    expect(names()).toEqual([]);
  });

  it('expected failure: of those that wait, one too many and too many bytes are refused, to be tried again', async () => {
    const { uploads, send, names } = made();
    for (const number of [1, 2]) await send(numbered(number), GUEST);
    const refused = { code: 'ERR_UPLOAD_LIMIT', retriable: true };
    await expect(send(numbered(3), GUEST)).rejects.toMatchObject(refused);
    await send(Buffer.alloc(500, 3));
    await expect(send(Buffer.alloc(301, 4))).rejects.toMatchObject(refused);
    expect([uploads.bytes, names().length]).toEqual([700, 3]);
  });

  it('bad call: what can never fit is not to be tried again, and is refused before it is sent', async () => {
    const { models, send, names } = made();
    const never = { code: 'ERR_MODEL_TOO_LARGE', retriable: false };
    await expect(send(Buffer.alloc(501))).rejects.toMatchObject(never);
    const { sha256 } = source(numbered(1));
    const file = (location: string, bytes: number) => ({ location, sha256, bytes });
    const asked = (bytes: number, ...externalData: object[]) =>
      ({ kind: 'digest', sha256, bytes, externalData }) as Parameters<UploadedModels['files']>[0];
    expect(() => models.files(asked(501))).toThrow(expect.objectContaining(never));
    expect(() => models.files(asked(300, file('a', 201)))).toThrow(expect.objectContaining(never));
    expect(() => models.files(asked(1, file('a', 1), file('b', 1)))).toThrow(expect.objectContaining(never));
    expect(names()).toEqual([]);
  });

  it('bad call: of a digest that is not here is told before anybody waits for a turn', async () => {
    const { models } = made();
    await expect(models.files(source(numbered(1))).gather?.(AbortSignal.timeout(1_000))).rejects.toMatchObject({
      code: 'ERR_MODEL_UNKNOWN',
    });
  });
});
