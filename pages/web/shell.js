/** What every page has: its head with the way to the others, the theme, and whether it is live. */
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { clock } from './format.js';
import { html } from './html.js';

const THEMES = ['auto', 'light', 'dark'];
const THEME_KEY = 'tetris-theme';

function storedTheme() {
  try {
    const theme = localStorage.getItem(THEME_KEY);
    return THEMES.includes(theme) ? theme : 'auto';
  } catch {
    return 'auto';
  }
}

function useTheme() {
  const [theme, setTheme] = useState(storedTheme);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new Event('themechange'));
    try {
      localStorage.setItem(THEME_KEY, theme);
    } catch {
      // A page from a file, or with storage switched off: the theme holds for as long as it is open.
    }
  }, [theme]);
  return [theme, () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length])];
}

const LOGO = html`<svg class="logo" viewBox="0 0 24 24" aria-hidden="true">
  <rect x="2" y="9" width="6" height="6" class="leased" />
  <rect x="9" y="9" width="6" height="6" class="leased" />
  <rect x="16" y="9" width="6" height="6" class="leased" />
  <rect x="9" y="16" width="6" height="6" class="private" />
  <rect x="9" y="2" width="6" height="6" class="kept" />
</svg>`;

const LINKS = { connecting: 'connecting', live: 'live', lost: 'offline' };

/**
 * @param links `{ href, text }` of the pages, this one with `current`
 * @param live `{ link, atMs }` of `useLive`; undefined for a page without figures
 */
export function Shell({ title, links = [], live, children }) {
  const [theme, nextTheme] = useTheme();
  return html`<a class="skip" href="#main">Skip to the content</a>
    <header class="head">
      ${LOGO}
      <h1>${title}</h1>
      ${
        links.length > 0 &&
        html`<nav aria-label="Pages">
          ${links.map(({ href, text, current }) => html`<a href=${href} aria-current=${current ? 'page' : null}>${text}</a>`)}
        </nav>`
      }
      <span class="gap"></span>
      ${live !== undefined && html`<span class=${`live ${live.link}`} role="status">${LINKS[live.link]}</span>`}
      <button class="quiet" onClick=${nextTheme} aria-label=${`Theme: ${theme}. Change it.`}>
        <span aria-hidden="true">${{ auto: '◐', light: '☀', dark: '☾' }[theme]}</span>
      </button>
    </header>
    <main id="main" tabindex="-1">
      ${live?.link === 'lost' && live.atMs !== undefined && html`<p class="notice">${`No connection: what is shown is of ${clock(live.atMs)}. It is tried again.`}</p>`}
      ${children}
    </main>`;
}

/** A part of a page with a heading. */
export function Panel({ id, title, note, actions, wide, children }) {
  return html`<section class=${`panel ${wide ? 'wide' : ''}`} aria-labelledby=${`${id}-title`} id=${id}>
    <div class="panel-head">
      <h2 id=${`${id}-title`}>${title}</h2>
      ${note !== undefined && html`<span class="note">${note}</span>`}
      <span class="gap"></span>
      ${actions}
    </div>
    ${children}
  </section>`;
}

/** Draws the page. */
export function show(Page) {
  const { textContent } = document.getElementById('settings');
  const root = document.getElementById('page');
  root.replaceChildren();
  render(html`<${Page} ...${JSON.parse(textContent)} />`, root);
}
