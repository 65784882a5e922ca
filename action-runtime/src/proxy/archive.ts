/**
 * Unpacks action archives (zip, gzipped tar). An archive is untrusted: nothing may land outside the target folder, by a
 * path or through a link, and sizes are counted as bytes are written, whatever the archive's own table says.
 */
import fs from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isInside } from '@tetris/common/files';
import { bytesOfText, pathOf, tarNames, textOf, zipName } from './archive-names';

/** Bounds of an archive. */
export interface ArchiveLimits {
  unpackedBytesMax: number;
  unpackedFilesMax: number;
}

/** `zip` and `tar.gz` by their first bytes, as OpenWhisk's Node runtime tells them apart. */
export function archiveType(archive: Uint8Array): 'zip' | 'tar.gz' | undefined {
  const magic = Buffer.from(archive.subarray(0, 4)).toString('hex');
  if (magic === '504b0304') return 'zip';
  return magic === '1f8b0808' || magic === '1f8b0800' ? 'tar.gz' : undefined;
}

/**
 * Unpacks into an existing, empty folder.
 *
 * @throws Error with the reason: not an archive, damaged, a name outside the folder, over a limit
 */
export async function unpack(archive: Buffer, folder: string, limits: ArchiveLimits): Promise<void> {
  const type = archiveType(archive);
  if (type === undefined) throw new Error('the archive is neither a zip nor a gzipped tar file');
  const target = new Target(folder, limits);
  await (type === 'zip' ? unzip(archive, target) : untar(archive, target));
  await target.finish();
}

/**
 * The folder that receives an archive. Links are made last, so that no file can be written through one.
 * Names and link targets are bytes, see `archive-names.ts`.
 */
class Target {
  readonly #folder: string;
  readonly #limits: ArchiveLimits;
  readonly #links: { at: string; to: string }[] = [];
  #bytes = 0;
  #files = 0;

  constructor(folder: string, limits: ArchiveLimits) {
    this.#folder = bytesOfText(path.resolve(folder));
    this.#limits = limits;
  }

  async folder(name: string): Promise<void> {
    await mkdir(pathOf(this.#place(name)), { recursive: true });
  }

  async file(name: string, mode: number, body: Readable): Promise<void> {
    const at = this.#place(name);
    await mkdir(pathOf(path.dirname(at)), { recursive: true });
    const output = fs.createWriteStream(pathOf(at), { mode: (mode & 0o777) === 0 ? 0o644 : (mode & 0o777) | 0o400 });
    await pipeline(body, this.#counted(), output);
  }

  link(name: string, to: string): void {
    const at = this.#place(name);
    if (path.isAbsolute(to) || !this.#contains(path.resolve(path.dirname(at), to))) {
      throw new Error(`'${textOf(name)}' links to '${textOf(to)}', outside of the archive`);
    }
    this.#links.push({ at, to });
  }

  async finish(): Promise<void> {
    for (const { at, to } of this.#links) {
      await mkdir(pathOf(path.dirname(at)), { recursive: true });
      await symlink(pathOf(to), pathOf(at));
    }
    // A chain of links can leave the folder though each of them, read alone, does not.
    const folder = realBytes(this.#folder);
    for (const { at, to } of this.#links) {
      const inside = !fs.existsSync(pathOf(at)) || isInside(folder, realBytes(at));
      if (!inside) throw new Error(`a link to '${textOf(to)}' leads outside of the archive`);
    }
  }

  #place(name: string): string {
    if (++this.#files > this.#limits.unpackedFilesMax) {
      throw new Error(`it holds more than ${this.#limits.unpackedFilesMax} files`);
    }
    const at = path.resolve(this.#folder, name);
    if (path.isAbsolute(name) || !this.#contains(at)) throw new Error(`'${textOf(name)}' lies outside of the archive`);
    return at;
  }

  #contains(at: string): boolean {
    return isInside(this.#folder, at);
  }

  #counted(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done): void => {
        this.#bytes += chunk.length;
        if (this.#bytes <= this.#limits.unpackedBytesMax) return done(null, chunk);
        done(new Error(`it unpacks to more than ${this.#limits.unpackedBytesMax} bytes`));
      },
    });
  }
}

/** Only the native one takes a path as bytes. */
const realBytes = (at: string): string => fs.realpathSync.native(pathOf(at), 'buffer').toString('latin1');

const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;
/** Longest target of a link, bytes. */
const LINK_BYTES_MAX = 4096;

async function unzip(archive: Buffer, target: Target): Promise<void> {
  const { fromBufferPromise, getFileNameLowLevel } = await import('yauzl');
  const zip = await fromBufferPromise(archive, { decodeStrings: false });
  for await (const entry of zip.eachEntry()) {
    const mode = entry.externalFileAttributes >>> 16;
    const name = zipName(entry, getFileNameLowLevel);
    if (name.endsWith('/')) {
      await target.folder(name);
      continue;
    }
    const body = await zip.openReadStreamPromise(entry);
    if ((mode & S_IFMT) === S_IFLNK) target.link(name, await linkTarget(body));
    else await target.file(name, mode, body);
  }
}

async function untar(archive: Buffer, target: Target): Promise<void> {
  const { extract } = await import('tar-stream');
  // An option that the types of the package leave out.
  const options: object = { filenameEncoding: 'latin1' };
  const entries = extract(options);
  const unpacked = pipeline(Readable.from([archive]), process.getBuiltinModule('node:zlib').createGunzip(), entries);
  unpacked.catch(() => undefined);
  for await (const entry of entries) {
    const { type, mode } = entry.header;
    const { name, link } = tarNames(entry.header);
    if (type === 'directory') await target.folder(name);
    else if (type === 'symlink') target.link(name, link);
    else if (type === 'file' || type === 'contiguous-file') await target.file(name, mode ?? 0, Readable.from(entry));
    else if (type === 'link') throw new Error(`'${textOf(name)}' is a hard link, which action archives may not hold`);
    entry.resume();
  }
  await unpacked;
}

async function linkTarget(body: Readable): Promise<string> {
  let bytes = '';
  for await (const chunk of body) {
    bytes += (chunk as Buffer).toString('latin1');
    if (bytes.length > LINK_BYTES_MAX) throw new Error('a link in it has a target that is too long');
  }
  return bytes;
}
