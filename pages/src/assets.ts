/** The files that pages are made of: ours as they lie in `web`, and the libraries' as they were installed. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';

export interface Asset {
  type: string;
  text: string;
}

const WEB = join(__dirname, '../web');

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** ES modules of the libraries by the names under which our modules import them. */
const LIBRARIES: Readonly<Record<string, string>> = {
  preact: require.resolve('preact'),
  'preact/hooks': require.resolve('preact/hooks'),
  htm: join(dirname(require.resolve('htm')), 'htm.module.js'),
  fflate: join(dirname(require.resolve('fflate')), '../esm/browser.js'),
  uplot: join(dirname(require.resolve('uplot')), 'uPlot.esm.js'),
};

/** Assets by file name. */
export const ASSETS: ReadonlyMap<string, Asset> = new Map([
  ...readdirSync(WEB).map((name) => [name, assetOf(join(WEB, name))] as const),
  ...Object.entries(LIBRARIES).map(([name, path]) => [libraryFile(name), assetOf(path, '.js')] as const),
  ['uplot.css', assetOf(join(dirname(require.resolve('uplot')), 'uPlot.min.css'))] as const,
]);

/** Changes with any of them: their addresses have it, so that browsers may keep them for good. */
export const VERSION = createHash('sha256')
  .update([...ASSETS.values()].map(({ text }) => text).join('\0'))
  .digest('hex')
  .slice(0, 12);

function assetOf(path: string, extension = extname(path)): Asset {
  // Maps for debuggers are not served.
  const text = readFileSync(path, 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, '');
  return { type: TYPES[extension] ?? 'application/octet-stream', text };
}

function libraryFile(name: string): string {
  return `lib-${name.replace('/', '-')}.js`;
}

/** An import map for the libraries. @param addressOf where an asset is found */
export function importMap(addressOf: (file: string) => string): string {
  const imports = Object.keys(LIBRARIES).map((name) => [name, addressOf(libraryFile(name))] as const);
  return JSON.stringify({ imports: Object.fromEntries(imports) });
}

/** Relative imports of our modules. */
export const MODULE_IMPORT = /(\b(?:from|import)\s*)'\.\/([\w-]+\.js)'/g;

/** A module and those that it imports, directly or not. */
export function modulesOf(file: string, known = new Set<string>()): Set<string> {
  if (known.has(file)) return known;
  known.add(file);
  for (const [, , name = ''] of textOf(file).matchAll(MODULE_IMPORT)) modulesOf(name, known);
  return known;
}

/** @throws RangeError */
export function textOf(file: string): string {
  const asset = ASSETS.get(file);
  if (asset === undefined) throw new RangeError(`there is no file ${file} for pages`);
  return asset.text;
}

/** The libraries that one of the modules imports, as file names. */
export function librariesOf(modules: Iterable<string>): string[] {
  const texts = [...modules].map(textOf);
  return Object.keys(LIBRARIES)
    .filter((name) => texts.some((text) => text.includes(`from '${name}'`)))
    .map(libraryFile);
}
