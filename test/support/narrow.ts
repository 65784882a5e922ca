/** What a reader on a telephone finds: nothing beside the page, and a keyboard that goes as the eye does. */
import type { Page } from 'playwright-core';

const TABS_MAX = 80;

/** Pixels by which the page is wider than the screen. */
export const overflow = async (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

/** Ids of the panels that Tab comes to, one after the other, and the same from top to bottom. */
export async function panelOrders(page: Page): Promise<{ tabbed: string[]; seen: string[] }> {
  await page.evaluate("document.getElementById('main').focus()");
  const tabbed: string[] = [];
  for (let tab = 0; tab < TABS_MAX; tab += 1) {
    await page.keyboard.press('Tab');
    const id = await page.evaluate<string | null>("document.activeElement?.closest('.panel')?.id ?? null");
    // Beyond the last one the keyboard is in the browser again.
    if (id === null) break;
    if (tabbed.at(-1) !== id) tabbed.push(id);
  }
  const tops = await page.evaluate<Record<string, number>>(
    "Object.fromEntries([...document.querySelectorAll('.panel')].map((panel) => [panel.id, panel.getBoundingClientRect().top]))",
  );
  return { tabbed, seen: [...tabbed].sort((one, other) => (tops[one] ?? 0) - (tops[other] ?? 0)) };
}
