import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { ATTR } from '../../../src/trace/model/schema.ts';
import { useBrowser } from '../../support/observe/browser.ts';
import { chromiumMissing } from '../../support/observe/chromium.ts';
import { hex, otlpBody, sendOtlp, shutdownBodies } from '../../support/observe/otlp.ts';
import { rollBodies, startBody } from '../../support/observe/roll.ts';
import { type Service, useWorld } from '../../support/process/world.ts';
import { until } from '../../support/until.ts';

const missing = chromiumMissing();
if (missing) console.warn(`skipped: ${missing}`);

const HOUR = 3_600_000;

/** How much wider than the window the page is. */
function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

/** Instances in the order of the picture, each with its result. */
async function lanes(page: Page): Promise<readonly string[]> {
  const rows = await page.locator('.instances tr[data-key]').allInnerTexts();
  return rows.map((row) =>
    row
      .split(/\s+/)
      .filter((word) => word !== '')
      .join(' '),
  );
}

describe.skipIf(missing)('a release as one picture', () => {
  const browser = useBrowser();
  const world = useWorld();

  /** The page of a release. */
  const addressOf = (path: string): string => `${world().collector.queryUrl}/release/${path}`;

  test('a real release: shown while it runs, one click from the list, with the counts of the callers', async () => {
    const version = (name: string) => ({
      env: { LOSSLESS_METADATA: `version=${name}`, LOSSLESS_HOLD_MS: '0', LOSSLESS_WARMUP_MS: '1000' },
    });
    const old: Service[] = [];
    for (let n = 0; n < 3; n++) old.push(await world().service('shop', version('1.0.0')));
    const callers = [await world().caller('http://shop/echo', 30), await world().caller('http://shop/echo', 30)];
    for (const service of old) await world().called(service);
    const first = await world().service('shop', version('2.0.0'));
    const live = await browser.open(addressOf('shop/2.0.0'));
    await live.page.locator('.instances tr[data-key]', { hasText: /starting|success/ }).waitFor();
    await world().leave(old[0] as Service);
    await live.page.locator('.sentence', { hasText: '1 of 1 shutdowns lossless' }).waitFor();
    for (const service of old.slice(1)) {
      await world().service('shop', version('2.0.0'));
      await world().leave(service);
    }
    for (const service of old) await world().trace(service);
    const counted = await Promise.all(callers.map((caller) => caller.stop()));
    expect(counted.map(({ failed }) => failed)).toEqual([0, 0]);
    await live.page.locator('.sentence', { hasText: '3 of 3 shutdowns lossless' }).waitFor();
    await live.page.locator('.verdict .badge.ok', { hasText: 'lossless' }).waitFor();
    expect(await live.page.locator('.sentence').innerText()).toMatch(
      /^3 of 3 shutdowns lossless, 2 of 2 consumers told each, 0 requests after an ack, \d+ s, never fewer than 3 ready$/,
    );
    expect((await lanes(live.page)).length).toBe(6);
    expect(await live.page.locator('.lane .mark.gone').count()).toBe(3);
    expect(await live.page.locator('.lane .mark.ready').count()).toBe(3);
    await live.shoot('release-real');
    // What the picture holds of the old ones is what their traces counted.
    const list = await browser.open(`${world().collector.queryUrl}/?kind=offline`);
    await list.page.locator('.list .version a').first().click();
    await list.page.locator('.sentence', { hasText: '3 of 3 shutdowns lossless' }).waitFor();
    // Each lane leads to its trace, a shutdown to the start of its instance, and that back.
    await list.page.locator('.instances tr[data-key] a').first().click();
    await list.page.getByRole('link', { name: 'its start' }).click();
    await list.page.locator('.verdict', { hasText: 'Ready after' }).waitFor();
    await list.page.getByRole('link', { name: 'its shutdown' }).click();
    await list.page.locator('.verdict', { hasText: 'consumers acked' }).waitFor();
    await list.page.getByRole('link', { name: 'its release' }).click();
    await list.page.locator('.sentence', { hasText: '3 of 3 shutdowns lossless' }).waitFor();
    expect([...live.faults, ...list.faults]).toEqual([]);
    expect(await world().leave(first)).toMatchObject({ signal: 'SIGTERM' });
  }, 120_000);

  test('failures come first: a killed instance, one that only came, one that was never ready, one with an undone offline', async () => {
    const begin = Date.now() - 120_000;
    const resource = (version: string) => ({ 'service.version': version });
    const left = (id: string, at: number, change: (span: Told) => Told | undefined) => {
      const [own = '', ...refreshes] = shutdownBodies('odd', 2, 0, begin + at, ['web'], id, resource('1')).bodies;
      const body = JSON.parse(own) as Body;
      const [scope] = body.resourceSpans[0].scopeSpans;
      scope.spans = scope.spans.flatMap((span) => change(span) ?? []);
      return [JSON.stringify(body), ...refreshes];
    };
    const said = (span: Told, key: string, value: object): Told => ({
      ...span,
      attributes: [...span.attributes.filter((attribute) => attribute.key !== key), { key, value }],
    });
    await sendOtlp(world().collector.otlpUrl, [
      startBody('odd', 'new', begin, resource('2')),
      ...left('old', 5_000, (span) => span),
      ...left('killed', 6_000, (span) => {
        if (/offline$|drain|stop/.test(span.name)) return undefined;
        return span.name === 'lossless.offline.started' ? said(span, ATTR.gracePeriod, { doubleValue: 1 }) : span;
      }),
      ...left('undone', 7_000, (span) =>
        span.name === 'lossless.offline' ? said(span, ATTR.offlineResult, { stringValue: 'cancelled' }) : span,
      ),
      startBody('odd', 'undone', begin + 8_000, resource('1')),
      ...left('unready', 9_000, (span) =>
        span.name === 'lossless.offline' ? said(span, ATTR.offlineResult, { stringValue: 'never_ready' }) : span,
      ),
    ]);
    const { page, faults, shoot } = await browser.open(addressOf('odd/2'));
    await page.locator('.verdict .badge.bad', { hasText: 'lossy' }).waitFor();
    expect(await page.locator('.sentence').innerText()).toMatch(
      /^2 of 3 shutdowns lossless, 2 of 2 consumers told each, 0 requests after an ack, \d+ s, never fewer than \d ready$/,
    );
    const shown = await lanes(page);
    expect(shown.map((lane) => lane.split(' ')[0])).toEqual(['killed', 'old', 'undone', 'unready', 'new']);
    expect(shown[0]).toContain('killed');
    expect(shown[3]).toContain('never_ready');
    expect(await page.locator('.problems-told').innerText()).toMatch(/^killed/);
    expect(await page.locator('.lane .mark.lost').count()).toBe(1);
    await page.locator('.instances tr[data-key]').nth(2).click();
    expect(await page.locator('.instances .told section').count()).toBe(2);
    await shoot('release-odd');
    expect(faults).toEqual([]);
  });

  test('a version that was rolled back, a release without a version, and one name in two namespaces', async () => {
    const { otlpUrl } = world().collector;
    const now = Date.now();
    const roll = { service: 'back', instances: 2, consumers: 1 };
    await sendOtlp(otlpUrl, rollBodies({ ...roll, from: '1', to: '2', begin: now - 120_000 }));
    await sendOtlp(otlpUrl, rollBodies({ ...roll, from: '2', to: '1', begin: now - 60_000, coming: 'again' }));
    const back = await browser.open(addressOf('back'));
    await until(async () => (await back.page.locator('.releases li').count()) === 2);
    expect(await back.page.locator('.releases a').allInnerTexts()).toEqual(['1', '2']);
    await back.page.locator('.releases a').first().click();
    await until(async () => (await lanes(back.page)).length === 4);
    expect((await lanes(back.page)).map((lane) => lane.split(' ')[0])).toEqual([
      'back-2-0',
      'back-2-1',
      'again-1-0',
      'again-1-1',
    ]);
    await sendOtlp(otlpUrl, [
      startBody('plain', 'b', now - HOUR),
      ...shutdownBodies('plain', 1, 0, now - HOUR + 3_000, ['web'], 'a').bodies,
      startBody('plain', 'c', now - HOUR / 2),
      ...shutdownBodies('plain', 1, 0, now - HOUR / 2 + 3_000, ['web'], 'b').bodies,
    ]);
    const plain = await browser.open(addressOf(`plain/${new Date(now - HOUR).toISOString()}`));
    await until(async () => (await lanes(plain.page)).length === 2);
    expect((await lanes(plain.page)).map((lane) => lane[0])).toEqual(['a', 'b']);
    for (const namespace of ['east', 'west'])
      await sendOtlp(
        otlpUrl,
        rollBodies({ ...roll, service: 'cart', namespace, from: '1', to: '2', begin: now - 90_000 }),
      );
    const cart = await browser.open(addressOf('cart'));
    await until(async () => (await cart.page.locator('.releases li').count()) === 2);
    expect((await cart.page.locator('.releases .kind').allInnerTexts()).sort()).toEqual(['east', 'west']);
    await cart.page.locator('.releases li', { hasText: 'west' }).getByRole('link').click();
    await until(async () => (await lanes(cart.page)).length === 4);
    expect(cart.page.url()).toContain('namespace=west');
    expect([...back.faults, ...plain.faults, ...cart.faults]).toEqual([]);
  });

  test('two beside each other, on one scale; light and dark, and on a phone without a horizontal scroll', async () => {
    const { otlpUrl } = world().collector;
    const roll = { service: 'pair', instances: 3, consumers: 2 };
    await sendOtlp(otlpUrl, rollBodies({ ...roll, from: '1', to: '2', begin: Date.now() - HOUR }));
    await sendOtlp(
      otlpUrl,
      rollBodies({ ...roll, from: '2', to: '3', failed: 1, begin: Date.now() - 60_000, everyMs: 8_000 }),
    );
    const one = await browser.open(addressOf('pair/3'), { width: 1_440 });
    await one.page.getByRole('link', { name: 'beside the one before' }).click();
    await until(async () => (await one.page.locator('article .sentence').count()) === 2);
    expect(one.page.url()).toMatch(/\/pair\/3\?beside=2$/);
    expect(await one.page.locator('article .verdict .badge').allInnerTexts()).toEqual(['lossless', 'lossy']);
    expect(new Set(await one.page.locator('article .chart .peak').allInnerTexts()).size).toBe(1);
    const [left, right] = await one.page.locator('article').all();
    expect((await left?.boundingBox())?.y).toBe((await right?.boundingBox())?.y);
    for (const path of ['pair/3', 'pair/3?beside=2', 'pair'])
      for (const options of [
        { scheme: 'dark', width: 1_280 },
        { scheme: 'light', width: 390 },
      ] as const) {
        const { page, faults, shoot } = await browser.open(addressOf(path), options);
        await page.locator('.sentence').first().waitFor();
        await shoot(`release-${path.replaceAll(/\W/g, '-')}-${options.scheme}-${options.width}`);
        expect(await overflow(page), path).toBeLessThanOrEqual(0);
        expect(faults).toEqual([]);
      }
  });

  test('by keyboard alone, and with names for screen readers', async () => {
    await sendOtlp(
      world().collector.otlpUrl,
      rollBodies({
        service: 'keys',
        instances: 3,
        consumers: 2,
        failed: 1,
        from: '1',
        to: '2',
        begin: Date.now() - 60_000,
      }),
    );
    const { page } = await browser.open(addressOf('keys/2'));
    await page.locator('.instances tr[data-key]').first().waitFor();
    const focused = () => page.evaluate(() => (document.activeElement as HTMLElement | null)?.innerText ?? '');
    const first = /^keys-1-0[\s\S]*incomplete/;
    for (let n = 0; n < 20 && !first.test(await focused()); n++) await page.keyboard.press('Tab');
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowUp', 'Home']) await page.keyboard.press(key);
    expect(await focused()).toMatch(first);
    await page.keyboard.press('Enter');
    await page.locator('.instances .details', { hasText: 'was not told' }).waitFor();
    await page.keyboard.press('ArrowLeft');
    await page.locator('.instances .details').waitFor({ state: 'detached' });
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/trace\/[0-9a-f]{32}/);
    await page.goBack();
    const lane = page.getByRole('img', { name: /^left 2.50 s into the release, all told 11 ms later, .* gone/ });
    await lane.first().waitFor();
    expect(await page.getByRole('treegrid', { name: 'instances' }).count()).toBe(1);
    expect(await page.locator('.instances tr[data-key][aria-expanded]').count()).toBe(6);
  });

  test('an unknown release, and a release that begins', async () => {
    const { page } = await browser.open(addressOf('soon/9'));
    await page.locator('.empty', { hasText: 'No release 9 of soon is known' }).waitFor();
    const ids = { traceId: hex(16), spanId: hex(8), parentSpanId: hex(8) };
    const attributes = { [ATTR.service]: 'soon', [ATTR.instanceId]: 'soon-1' };
    const started = { ...ids, work: 'online.started', start: Date.now(), durationMs: 0.01, attributes } as const;
    await sendOtlp(world().collector.otlpUrl, [otlpBody('soon', 'soon-1', [started], { 'service.version': '9' })]);
    await page.locator('.instances tr[data-key]', { hasText: 'starting' }).waitFor();
    expect(await page.locator('.verdict').innerText()).toMatch(/no shutdown\s+0 of 1 starts ready/);
  });
});

/** A span as it is sent. */
interface Told {
  readonly name: string;
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}

interface Body {
  readonly resourceSpans: readonly [{ readonly scopeSpans: readonly [{ spans: readonly Told[] }] }];
}
