/**
 * What a disk may hold after the power has failed. Follows the file operations of a folder and knows what has been
 * synced since: of the rest, each change of a folder may be there or not, and the bytes of a file may be there, be cut
 * short, or be zeros. A change of a folder (a link, a rename) is there wholly or not at all, as journals see to.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

interface File {
  /** As of the last sync; undefined: never. */
  durable: Buffer | undefined;
  content: Buffer;
}

type Entry = File | Folder;

/** One change of folders, which none of them may have lost or all. */
type Change = { folder: Folder; name: string; entry: Entry | undefined }[];

class Folder {
  readonly durable = new Map<string, Entry>();
  readonly entries = new Map<string, Entry>();
}

export class PowerLoss {
  readonly #root: string;
  readonly #top = new Folder();
  /** Changes that may be lost, in their order. */
  #pending: Change[] = [];

  /** @param root a folder whose state now is durable */
  constructor(root: string) {
    this.#root = root;
    this.#takeIn(root, this.#top);
  }

  #takeIn(path: string, folder: Folder): void {
    for (const { name, isDir } of readdirSync(path, { withFileTypes: true }).map((entry) => ({
      name: entry.name,
      isDir: entry.isDirectory(),
    }))) {
      const content = isDir ? Buffer.alloc(0) : readFileSync(join(path, name));
      const entry = isDir ? new Folder() : { content, durable: content };
      if (entry instanceof Folder) this.#takeIn(join(path, name), entry);
      folder.entries.set(name, entry);
      folder.durable.set(name, entry);
    }
  }

  /** A file has been made or written to; its content is read now. */
  written(path: string): void {
    const { folder, name } = this.#place(path);
    const known = folder.entries.get(name);
    const content = readFileSync(path);
    if (known !== undefined && !(known instanceof Folder)) known.content = content;
    else this.#change([{ folder, name, entry: { content, durable: undefined } }]);
  }

  synced(path: string): void {
    const entry = path === this.#root ? this.#top : this.#entry(path);
    if (!(entry instanceof Folder)) {
      if (entry !== undefined) entry.durable = entry.content;
      return;
    }
    // A journal writes in order: what came before a synced change of the folder is there too.
    const last = this.#pending.findLastIndex((change) => change.some(({ folder }) => folder === entry));
    for (const change of this.#pending.splice(0, last + 1)) apply(change, 'durable');
  }

  folderMade(path: string): void {
    this.#change([{ ...this.#place(path), entry: new Folder() }]);
  }

  linked(from: string, to: string): void {
    this.#change([{ ...this.#place(to), entry: this.#entry(from) }]);
  }

  renamed(from: string, to: string): void {
    const entry = this.#entry(from);
    this.#change([
      { ...this.#place(from), entry: undefined },
      { ...this.#place(to), entry },
    ]);
  }

  removed(path: string): void {
    this.#change([{ ...this.#place(path), entry: undefined }]);
  }

  /** Writes a state in which the disk may be now. `random` chooses among them. */
  writeState(target: string, random: (below: number) => number): void {
    const state = new Map<Folder, Map<string, Entry>>();
    const entriesOf = (folder: Folder): Map<string, Entry> => {
      const known = state.get(folder) ?? new Map(folder.durable);
      state.set(folder, known);
      return known;
    };
    // As many as have made it to the journal, or any of them.
    const first = random(this.#pending.length + 1);
    const ordered = random(2) === 0;
    for (const [index, change] of this.#pending.entries()) {
      if (ordered ? index >= first : random(2) === 0) continue;
      for (const { folder, name, entry } of change) {
        if (entry === undefined) entriesOf(folder).delete(name);
        else entriesOf(folder).set(name, entry);
      }
    }
    // Names of one file stay names of one file: its bytes come back the same under each.
    const files = new Map<File, string>();
    const writeFile = (path: string, file: File): void => {
      const written = files.get(file);
      if (written !== undefined) return linkSync(written, path);
      writeFileSync(path, survivor(file, random));
      files.set(file, path);
    };
    const write = (path: string, folder: Folder): void => {
      mkdirSync(path, { recursive: true });
      for (const [name, entry] of entriesOf(folder)) {
        if (entry instanceof Folder) write(join(path, name), entry);
        else writeFile(join(path, name), entry);
      }
    };
    write(target, this.#top);
  }

  #change(change: Change): void {
    apply(change, 'entries');
    this.#pending.push(change);
  }

  #place(path: string): { folder: Folder; name: string } {
    const parent = dirname(path) === this.#root ? this.#top : this.#entry(dirname(path));
    if (!(parent instanceof Folder)) throw new Error(`${dirname(path)} is no known folder`);
    return { folder: parent, name: basename(path) };
  }

  #entry(path: string): Entry | undefined {
    const { folder, name } = this.#place(path);
    return folder.entries.get(name);
  }

  /** Whether what is known is what is there. @throws Error where an operation has been missed */
  verify(path = this.#root, folder = this.#top): void {
    const found = readdirSync(path).sort();
    if (found.join() !== [...folder.entries.keys()].sort().join()) throw new Error(`${path} holds ${found.join(', ')}`);
    for (const [name, entry] of folder.entries) {
      if (entry instanceof Folder) this.verify(join(path, name), entry);
      else if (statSync(join(path, name)).size !== entry.content.length) throw new Error(`${name} has another size`);
    }
  }
}

function apply(change: Change, of: 'durable' | 'entries'): void {
  for (const { folder, name, entry } of change) {
    if (entry === undefined) folder[of].delete(name);
    else folder[of].set(name, entry);
  }
}

/** What is left of a file's bytes. */
function survivor({ durable, content }: File, random: (below: number) => number): Buffer {
  if (durable === content) return content;
  const outcomes = [content, content.subarray(0, random(content.length)), Buffer.alloc(content.length)];
  return outcomes[random(outcomes.length)] ?? content;
}
