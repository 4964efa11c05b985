import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { ScratchFolder } from '../scratch-folder.ts';
import { launchChromium } from './chromium.ts';

export interface ViewOptions {
  readonly scheme?: 'light' | 'dark';
  readonly width?: number;
}

/** Opens pages, which are closed after each test. */
export interface Views {
  /** Opens a page and records its faults: messages of the console, errors, requests to other hosts. */
  open(url: string, options?: ViewOptions): Promise<View>;
}

export interface View {
  readonly page: Page;
  readonly faults: readonly string[];
  /** Hosts to which the page sent requests. */
  readonly hosts: ReadonlySet<string>;
  /** Keeps a picture of the whole page for people to look at. */
  shoot(name: string): Promise<void>;
}

/** Call once at the top of a test file. */
export function useBrowser(): Views {
  const directory = process.env['LOSSLESS_TEST_SCREENSHOTS'] ?? new ScratchFolder().path;
  const pages = new Set<Page>();
  let browser: Browser;
  beforeAll(async () => {
    mkdirSync(directory, { recursive: true });
    browser = await launchChromium();
    console.log(`pictures: ${directory}`);
  });
  afterEach(async () => {
    await Promise.all([...pages].map((page) => page.close()));
    pages.clear();
  });
  afterAll(() => browser?.close());
  return {
    async open(url, { scheme = 'light', width = 1_280 } = {}) {
      const page = await browser.newPage({ colorScheme: scheme, viewport: { width, height: 900 } });
      pages.add(page);
      const faults: string[] = [];
      const hosts = new Set<string>();
      page.on('console', (message) => {
        // A page that waits for a trace gets 404 until the first span is there.
        if (!message.text().includes('404')) faults.push(`${message.type()}: ${message.text()}`);
      });
      page.on('pageerror', (error) => faults.push(error.message));
      page.on('dialog', (dialog) => {
        faults.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      page.on('request', (request) => hosts.add(new URL(request.url()).host));
      await page.goto(url);
      return {
        page,
        faults,
        hosts,
        shoot: async (name) => {
          await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
        },
      };
    },
  };
}
