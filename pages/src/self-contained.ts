/** A page in one file, for a mail or a shared folder: everything that it loads stands in it. */
import { importMap, MODULE_IMPORT, modulesOf, textOf } from './assets';
import { pageHtml, type PageOptions } from './page';

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

/** Modules of data URLs have no folder: what they import relatively is found through the import map. */
function dataUrl(file: string): string {
  const text = textOf(file).replaceAll(MODULE_IMPORT, "$1'page/$2'");
  return `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
}
