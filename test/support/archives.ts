/** Writers of the archive formats that actions come in, able to write bad ones too. */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

/** A file of an archive: `link` makes it a symbolic link to `data`. */
export interface ArchiveFile {
  name: string | Buffer;
  data: string | Buffer;
  link?: boolean;
}

/** A file of a zip archive, as Info-ZIP on Linux, or another program, writes it. */
export interface ZippedFile extends ArchiveFile {
  /** General purpose flags. @default 0x0800, names are UTF-8 */
  flags?: number;
  /** System that it was made on, as the format numbers them. @default 3, Unix */
  system?: number;
  /** Extra fields of the central directory. */
  extra?: Buffer;
}

/** A zip archive; names are written as they are. */
export function zip(files: readonly ZippedFile[]): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let offset = 0;
  for (const { name, data, link = false, flags = 0x0800, system = 3, extra = Buffer.alloc(0) } of files) {
    const raw = Buffer.from(data);
    const packed = deflateRawSync(raw);
    const title = Buffer.from(name);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(flags, 2);
    shared.writeUInt16LE(8, 4);
    shared.writeUInt32LE(crc32(raw), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(raw.length, 18);
    shared.writeUInt16LE(title.length, 22);
    const local = Buffer.concat([Buffer.from('504b0304', 'hex'), shared, title, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((link ? 0o120777 : 0o100644) << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    const madeBy = Buffer.from([20, system]);
    const described = Buffer.from(shared);
    described.writeUInt16LE(extra.length, 24);
    entries.push(Buffer.concat([Buffer.from('504b0102', 'hex'), madeBy, described, tail, title, extra]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.write('504b0506', 0, 'hex');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

/** A gzipped tar archive (ustar); names are written as they are. */
export function tarGz(files: readonly ArchiveFile[]): Buffer {
  const blocks = files.flatMap(({ name, data, link = false }) => {
    const body = link ? Buffer.alloc(0) : Buffer.from(data);
    const header = Buffer.alloc(512);
    header.set(Buffer.from(name), 0);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write(' '.repeat(8), 148);
    header.write(link ? '2' : '0', 156);
    if (link) header.write(String(data), 157);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}
