import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Chromium as `apt-get install chromium` puts it, or where LOSSLESS_TEST_CHROMIUM says. */
const EXECUTABLE = process.env['LOSSLESS_TEST_CHROMIUM'] ?? '/usr/bin/chromium';

/** It talks to nobody but the page it is given, and begins with an empty profile of its own. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Why the tests with a browser are skipped; false when they run. Under LOSSLESS_REQUIRE_SERVERS they never are: then a
 * missing browser fails them.
 */
export function chromiumMissing(): string | false {
  if (process.env['LOSSLESS_REQUIRE_SERVERS'] || existsSync(EXECUTABLE)) return false;
  return `no ${EXECUTABLE}: apt-get install chromium, or name one with LOSSLESS_TEST_CHROMIUM`;
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGS });
}
