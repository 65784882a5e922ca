/** What a reader on a telephone finds: nothing beside the page, and a keyboard that goes as the eye does. */
import type { Page } from 'playwright-core';

const TABS_MAX = 80;

/** Pixels by which the page is wider than the screen. */
export const overflow = async (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

/** Where the panels are that Tab comes to, one after the other, px from the top of the page. */
export async function tabbedPanels(page: Page): Promise<number[]> {
  await page.evaluate("document.getElementById('main').focus()");
  const tops: number[] = [];
  for (let tab = 0; tab < TABS_MAX; tab += 1) {
    await page.keyboard.press('Tab');
    const top = await page.evaluate<number | null>(
      "(() => { const at = document.activeElement?.closest('.panel'); return at && at.getBoundingClientRect().top + scrollY; })()",
    );
    // Beyond the last one the keyboard is in the browser again.
    if (top === null) break;
    if (tops.at(-1) !== top) tops.push(top);
  }
  return tops;
}
