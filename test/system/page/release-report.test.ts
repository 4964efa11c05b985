import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { useBrowser } from '../../support/observe/browser.ts';
import { chromiumMissing } from '../../support/observe/chromium.ts';
import { sendOtlp } from '../../support/observe/otlp.ts';
import { rollBodies } from '../../support/observe/roll.ts';
import { lossless } from '../../support/process/cli.ts';
import { useWorld } from '../../support/process/world.ts';
import { jaegerMissing, startJaeger } from '../../support/servers/jaeger.ts';
import { until } from '../../support/until.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const missing = chromiumMissing();
if (missing) console.warn(`skipped: ${missing}`);
const noJaeger = jaegerMissing();
if (noJaeger) console.warn(`skipped: ${noJaeger}`);

describe.skipIf(missing)('the report of a release', () => {
  const browser = useBrowser();
  const world = useWorld();

  /** Writes the report of the last release and looks at it from the disk. */
  async function report(service: string, queryUrl: string) {
    const file = join(useScratchFolder(), 'release.html');
    const { code, stdout } = await lossless([
      ...['verify', '--service', service, '--release', 'latest', '--url', queryUrl, '--html', file],
    ]);
    const view = await browser.open(pathToFileURL(file).href);
    await view.page.locator('.sentence').waitFor();
    return { ...view, code, stdout, text: readFileSync(file, 'utf8') };
  }

  test('a page that stands alone: from the disk, without a network, the same sentence, and no markup of a trace', async () => {
    const { otlpUrl, queryUrl } = world().collector;
    const attack = '</script><script>globalThis.ran = true</script>';
    await sendOtlp(
      otlpUrl,
      rollBodies({
        service: 'alone',
        instances: 2,
        consumers: 3,
        failed: 1,
        from: attack,
        to: '2',
        begin: Date.now() - 60_000,
      }),
    );
    const { code, stdout, page, faults, hosts, shoot, text } = await report('alone', queryUrl);
    expect(code).toBe(1);
    const sentence = await page.locator('.sentence').innerText();
    expect(sentence).toMatch(/^1 of 2 shutdowns lossless, 5 of 6 consumers told/);
    expect(stdout).toContain(`release 2: ${sentence}`);
    expect(await page.locator('.instances tr[data-key]').count()).toBe(4);
    expect(await page.locator('.instances a').first().getAttribute('href')).toMatch(`${queryUrl}/trace/`);
    expect(await page.evaluate(() => 'ran' in globalThis)).toBe(false);
    expect(text).toContain("default-src 'none'");
    await shoot('release-alone');
    // A file has no host.
    expect({ faults, hosts: [...hosts] }).toEqual({ faults: [], hosts: [''] });
  });

  test.skipIf(noJaeger)(
    'the same over a real Jaeger',
    async () => {
      const jaeger = await startJaeger();
      try {
        const begin = Date.now() - 60_000;
        await sendOtlp(
          jaeger.otlpUrl,
          rollBodies({ service: 'far', instances: 3, consumers: 4, from: '1', to: '2', begin }),
        );
        await until(async () => (await report('far', jaeger.queryUrl)).code === 0);
        const { page, faults } = await report('far', jaeger.queryUrl);
        expect(await page.locator('.sentence').innerText()).toMatch(
          /^3 of 3 shutdowns lossless, 4 of 4 consumers told each, 0 requests after an ack, 13 s, never fewer than 3 ready$/,
        );
        expect(await page.locator('.instances tr[data-key]').count()).toBe(6);
        expect(faults).toEqual([]);
      } finally {
        await jaeger.close();
      }
    },
    120_000,
  );
});
