import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Chromium where `apt-get install chromium` puts it, or where LOSSLESS_TEST_CHROMIUM says. */
const EXECUTABLE = process.env['LOSSLESS_TEST_CHROMIUM'] ?? '/usr/bin/chromium';

/** Makes no calls beside the given page, and begins with an empty profile. */
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
 * Why the tests with a browser are skipped; false when they run. Under LOSSLESS_REQUIRE_SERVERS a missing browser fails them
 * instead.
 */
export function chromiumMissing(): string | false {
  if (process.env['LOSSLESS_REQUIRE_SERVERS'] || existsSync(EXECUTABLE)) return false;
  return `no ${EXECUTABLE}: apt-get install chromium, or name one with LOSSLESS_TEST_CHROMIUM`;
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGS });
}
