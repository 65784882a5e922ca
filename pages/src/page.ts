/** Serves pages and what they are made of. */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ASSETS, importMap, librariesOf, modulesOf, VERSION } from './assets';

const PREFIX = '/tetris/assets';

export interface PageOptions {
  title: string;
  /** A module of `web` that draws the page into `#page`. */
  script: string;
  /** JSON for that module. No secrets. */
  settings: object;
}

/**
 * What a page may do: run our modules, talk to its own server, draw. Styles of elements are set by scripts, through
 * the object model, which the policy does not mean.
 */
const policy = (map: string): string =>
  [
    `default-src 'none'`,
    `script-src 'self' 'sha256-${createHash('sha256').update(map).digest('base64')}'`,
    `style-src 'self'`,
    `img-src 'self' data:`,
    `connect-src 'self'`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors 'none'`,
  ].join('; ');

/** Answers a request for a page. */
export function sendPage(reply: FastifyReply, { title, script, settings }: PageOptions): FastifyReply {
  const addressOf = (file: string): string => `${PREFIX}/${VERSION}/${file}`;
  const map = importMap(addressOf);
  return reply
    .type('text/html; charset=utf-8')
    .headers({
      'content-security-policy': policy(map),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    })
    .send(
      pageHtml({
        title,
        settings,
        styles: ['uplot.css', 'style.css'].map((file) => `<link rel="stylesheet" href="${addressOf(file)}">`),
        scripts: [
          `<script type="importmap">${map}</script>`,
          // All at once, and not each when the one before was read.
          ...preloaded(script).map((file) => `<link rel="modulepreload" href="${addressOf(file)}">`),
          `<script type="module" src="${addressOf(script)}"></script>`,
        ],
        icon: addressOf('icon.svg'),
      }),
    );
}

function preloaded(script: string): string[] {
  const modules = modulesOf(script);
  return [...modules, ...librariesOf(modules)];
}

/** Routes of the files that pages load. They have nothing secret in them. */
export function serveAssets(server: FastifyInstance): void {
  server.get<{ Params: { version: string; file: string } }>(`${PREFIX}/:version/:file`, async (request, reply) => {
    const { version, file } = request.params;
    const asset = ASSETS.get(file);
    if (asset === undefined) return reply.callNotFound();
    // A page of before an update still finds its files, but keeps them not.
    const keep = version === VERSION ? 'public, max-age=31536000, immutable' : 'no-store';
    return reply
      .type(asset.type)
      .headers({ 'cache-control': keep, 'x-content-type-options': 'nosniff' })
      .send(asset.text);
  });
}

/** A browser that wants a page asks for one; clients of an API do not. */
export const wantsPage = ({ headers }: FastifyRequest): boolean => /\btext\/html\b/.test(headers.accept ?? '');

interface PageParts {
  title: string;
  settings: object;
  styles: readonly string[];
  scripts: readonly string[];
  icon: string;
}

/** The document that every page begins as. */
export function pageHtml({ title, settings, styles, scripts, icon }: PageParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="${icon}">
${styles.join('\n')}
</head>
<body>
<div id="page"><p class="loading">Loading</p></div>
<noscript><p class="loading">This page needs JavaScript.</p></noscript>
<script type="application/json" id="settings">${scriptJson(settings)}</script>
${scripts.join('\n')}
</body>
</html>
`;
}

/** JSON that cannot end the script element it stands in. */
const scriptJson = (value: object): string => JSON.stringify(value).replaceAll('<', '\\u003c');

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? '');
