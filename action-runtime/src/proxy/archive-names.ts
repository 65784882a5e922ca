/**
 * Names in archives are bytes, and files are to have the bytes that `unzip` and `tar` on Linux give them. They are
 * carried as latin1 strings here, one character a byte, so that path functions work on them.
 */
import { isUtf8 } from 'node:buffer';
import type { Header } from 'tar-stream';
import type { Entry, getFileNameLowLevel } from 'yauzl';

/** The characters of a text's UTF-8 bytes. */
export const bytesOfText = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** What the file system is to be asked for. */
export const pathOf = (bytes: string): Buffer => Buffer.from(bytes, 'latin1');

/** As text, for messages: bytes that are no UTF-8 are replaced. */
export const textOf = (bytes: string): string => pathOf(bytes).toString('utf8');

/** Of the systems that APPNOTE 4.4.2 numbers, those whose file names are in an OEM code page: FAT, OS/2, NTFS, VFAT. */
const DOS_SYSTEMS: ReadonlySet<number> = new Set([0, 6, 10, 14]);

/** General purpose flag of APPNOTE 4.4.4: the name is UTF-8. */
const UTF8_FLAG = 0x800;

/**
 * The name of an entry that was read with `decodeStrings: false`: that of Info-ZIP's Unicode field where there is one.
 *
 * Info-ZIP on Linux writes the bytes of a name without saying that they are UTF-8, so only a name that is none, and
 * comes from a system with code pages, is taken for code page 437.
 *
 * @param decode of yauzl, which is loaded when there is a zip file to be read
 */
export function zipName(entry: Entry, decode: typeof getFileNameLowLevel): string {
  const raw = entry.fileNameRaw;
  const dos = DOS_SYSTEMS.has(entry.versionMadeBy >>> 8);
  const codePage = dos && (entry.generalPurposeBitFlag & UTF8_FLAG) === 0 && !isUtf8(raw);
  const text = decode(codePage ? 0 : UTF8_FLAG, raw, entry.extraFields, true);
  // Bytes that are no UTF-8 would not survive being a text.
  const asWritten = !codePage && text === raw.toString('utf8');
  return withSlashes(asWritten ? raw.toString('latin1') : bytesOfText(text), dos);
}

/** A backslash is a part of a name on Linux, and parts two elsewhere. */
const withSlashes = (name: string, dos: boolean): string => (dos ? name.replaceAll('\\', '/') : name);

/** Names of a tar entry that was read with `filenameEncoding: 'latin1'`; those of its extended header are UTF-8. */
export function tarNames({ name, linkname, pax }: Header): { name: string; link: string } {
  const { path, linkpath } = (pax ?? {}) as Partial<Record<'path' | 'linkpath', string>>;
  return {
    name: path === undefined ? name : bytesOfText(path),
    link: linkpath === undefined ? (linkname ?? '') : bytesOfText(linkpath),
  };
}
