/** A page in one file, for a mail or a shared folder: everything that it loads stands in it. */
import { ASSETS, importMap } from './assets';
import { pageHtml, type PageOptions } from './page';

/** Relative imports of our modules. */
const IMPORT = /(\b(?:from|import)\s*)'\.\/([\w-]+\.js)'/g;

/** The page as HTML that needs no server and no network. */
export function selfContained({ title, script, settings }: PageOptions): string {
  const styles = ['uplot.css', 'style.css'].map((file) => `<style>${textOf(file)}</style>`);
  const map = JSON.parse(importMap(dataUrl)) as { imports: Record<string, string> };
  for (const file of modulesOf(script)) map.imports[`page/${file}`] = dataUrl(file);
  const icon = `data:image/svg+xml,${encodeURIComponent(textOf('icon.svg'))}`;
  const scripts = [
    `<script type="importmap">${JSON.stringify(map)}</script>`,
    `<script type="module">import 'page/${script}';</script>`,
  ];
  return pageHtml({ title, settings, styles, scripts, icon });
}

/** A module and those that it imports, directly or not. */
function modulesOf(file: string, known = new Set<string>()): Set<string> {
  if (known.has(file)) return known;
  known.add(file);
  for (const [, , name = ''] of textOf(file).matchAll(IMPORT)) modulesOf(name, known);
  return known;
}

/** Modules of data URLs have no folder: what they import relatively is found through the import map. */
function dataUrl(file: string): string {
  const text = textOf(file).replaceAll(IMPORT, "$1'page/$2'");
  return `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
}

function textOf(file: string): string {
  const asset = ASSETS.get(file);
  if (asset === undefined) throw new RangeError(`there is no file ${file} for pages`);
  return asset.text;
}
