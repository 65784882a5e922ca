import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

/** Keeps a browser of the distribution from calling home: only what the test opens is asked for. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A page in a real browser, with everything it complained about. */
export interface OpenPage {
  page: Page;
  errors: string[];
  close: () => Promise<void>;
}

/** @param httpCredentials for basic auth */
export async function openPage(
  url: string,
  httpCredentials?: { username: string; password: string },
): Promise<OpenPage> {
  const profile = await mkdtemp(join(tmpdir(), 'tetris-browser-'));
  const context: BrowserContext = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: QUIET,
    ...(httpCredentials && { httpCredentials }),
  });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(url);
  const close = async (): Promise<void> => {
    await context.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { page, errors, close };
}
