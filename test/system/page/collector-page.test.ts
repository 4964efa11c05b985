import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { ATTR, SPANS } from '../../../src/trace/model/schema.ts';
import { embeddedCollector } from '../../support/embedded-collector.ts';
import { fakeConsumers } from '../../support/fakes/fake-consumers.ts';
import { useBrowser } from '../../support/observe/browser.ts';
import { chromiumMissing } from '../../support/observe/chromium.ts';
import { hex, otlpBody, sendOtlp, shutdownBodies } from '../../support/observe/otlp.ts';
import { foreignBody } from '../../support/observe/otlp-foreign.ts';
import { holdRequest } from '../../support/process/held-request.ts';
import { operator } from '../../support/process/operator.ts';
import { useWorld } from '../../support/process/world.ts';
import { until } from '../../support/until.ts';

const missing = chromiumMissing();
if (missing) console.warn(`skipped: ${missing}`);

const SERVICES = ['gateway', 'orders', 'billing', 'search', 'mail'];

/** What the control server says. */
interface Status {
  readonly consumers: { readonly recent: number };
}

/** Rows of the waterfall as a reader sees them. */
function rows(page: Page): Promise<readonly string[]> {
  return page.locator('.waterfall tbody tr').allInnerTexts();
}

/** How much wider than the window the page is. */
function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

describe.skipIf(missing)('the page of the collector', () => {
  const browser = useBrowser();
  const world = useWorld();

  /** Sends a shutdown and returns the address of its page. */
  async function shutdown(...args: Parameters<typeof shutdownBodies>): Promise<string> {
    const { traceId, bodies } = shutdownBodies(...args);
    await sendOtlp(world().collector.otlpUrl, bodies);
    return `${world().collector.queryUrl}/trace/${traceId}`;
  }

  test('the link that the plugin prints: live while a real shutdown runs, and then whole, without a reload', async () => {
    const provider = await world().service('provider', { workMs: 1_500 });
    const other = await world().service('provider', { workMs: 5 });
    const caller = await world().caller('http://provider/', 20);
    const port = await world().controlPort(other);
    await until(async () => ((await operator(port, '/status')).body as unknown as Status).consumers.recent === 1);
    const held = await holdRequest(provider);
    provider.child.signal('SIGTERM');
    const [link] = await provider.child.sees(/http:\/\/127\.0\.0\.1:\d+\/trace\/[0-9a-f]{32}/);
    const { page, faults, hosts, shoot } = await browser.open(link);
    let loads = 0;
    page.on('load', () => loads++);
    await page.locator('.verdict .badge.live', { hasText: 'leaving' }).waitFor();
    await page.locator('.waterfall tr', { hasText: 'deregister' }).waitFor();
    await shoot('leaving');
    expect(await held.letGo()).toBe(200);
    await page.locator('.verdict .badge.ok', { hasText: 'success' }).waitFor();
    expect((await provider.child.ends()).signal).toBe('SIGTERM');
    expect((await caller.stop()).failed).toBe(0);
    await page.locator('.waterfall tr', { hasText: 'acked' }).first().waitFor();
    const shown = (await rows(page)).map((text) => text.split(/\s/)[0]);
    expect(shown.slice(0, 4)).toEqual(['offline', 'offline.started', 'notify', 'caller']);
    expect(shown).toEqual(expect.arrayContaining(['deregister', 'drain', 'stop']));
    expect(await page.locator('.traffic figcaption').innerText()).toMatch(
      /requests\/s before; (the last within|none after)/,
    );
    expect(await page.locator('.lanes li').allInnerTexts()).toHaveLength(4);
    await page.locator('.waterfall tr', { hasText: '→' }).click();
    const [before, after] = await page.locator('.addresses section').allInnerTexts();
    // A response may have told the caller before the GoAway did.
    expect(before).toMatch(new RegExp(`^before [12]\\s+(127.0.0.1:(${provider.port} leaves|${other.port})\\s*)+$`));
    expect(after?.split(/\s+/)).toEqual(['after', '1', `127.0.0.1:${other.port}`]);
    await shoot('shutdown-light');
    expect({ faults, hosts: [...hosts], loads }).toEqual({ faults: [], hosts: [new URL(link).host], loads: 0 });
    for (const options of [
      { scheme: 'dark', width: 1_280 },
      { scheme: 'light', width: 390 },
    ] as const) {
      const view = await browser.open(link, options);
      await view.page.locator('.waterfall tbody tr').first().waitFor();
      await view.shoot(`shutdown-${options.scheme}-${options.width}`);
      expect(await overflow(view.page)).toBeLessThanOrEqual(0);
    }
  }, 120_000);

  test('a start is listed and shown like a shutdown: when it was ready, its registration, its warm-up', async () => {
    const { page, faults, shoot } = await browser.open(`${world().collector.queryUrl}/?kind=online`);
    const service = await world().service('fresh', { env: { LOSSLESS_WARMUP_MS: '3000' } });
    const row = page.locator('.list tbody tr', { hasText: 'fresh' });
    await row.filter({ hasText: 'starting' }).waitFor();
    await row.filter({ hasText: 'success' }).waitFor();
    await page.selectOption('select[name=kind]', 'offline');
    await page.locator('.empty', { hasText: 'Nothing matches' }).waitFor();
    await page.getByRole('button', { name: 'Show all' }).click();
    await row.getByRole('link', { name: 'fresh' }).click();
    await page.locator('.verdict .badge.ok', { hasText: 'success' }).waitFor();
    expect(await page.locator('.verdict').innerText()).toMatch(/Ready after \d/);
    expect(await page.locator('.facts').innerText()).toMatch(/registry\s+confirmed/);
    expect((await rows(page)).map((text) => text.split(/\s/)[0])).toEqual(
      expect.arrayContaining(['online', 'register', 'register.read_back', 'ready', 'warmup']),
    );
    expect(await page.locator('.problems-told').count()).toBe(0);
    await shoot('start');
    expect(faults).toEqual([]);
    expect(await world().leave(service)).toEqual({ code: null, signal: 'SIGTERM' });
  }, 60_000);

  test('250 consumers of five services, ten of them not told: failures first, the others folded until asked for', async () => {
    const link = await shutdown('busy', 250, 10, Date.now(), SERVICES);
    const { page, shoot } = await browser.open(link);
    await page.locator('.waterfall tbody tr').first().waitFor();
    expect(await page.locator('.verdict').innerText()).toMatch(
      /incomplete\s+10 of 250 consumers were not told\. 240 of 250 consumers acked/,
    );
    expect(await page.locator('.problems-told li').count()).toBe(5);
    const shown = await rows(page);
    expect(shown.length).toBeLessThan(30);
    const orders = shown.findIndex((text) => text.startsWith('orders'));
    expect(shown[orders]).toMatch(/48 \/ 50 acked/);
    expect(shown.slice(orders + 1, orders + 3).every((text) => text.includes('timeout'))).toBe(true);
    expect(shown[orders + 3]).toMatch(/48 more acked/);
    await shoot('250-consumers');
    await page.locator('tr.more').nth(1).click();
    await until(async () => (await rows(page)).length === shown.length + 47);
    await page.locator('.problems-told button').click();
    expect(await page.locator('.problems-told li').count()).toBe(11);
  });

  test('a real shutdown with 250 consumers of which ten never answer: each failure with its attempts, on one screen', async () => {
    // The consumers are in this process, beside a browser.
    const env = { LOSSLESS_HOLD_MS: '0', LOSSLESS_WARMUP_MS: '0', LOSSLESS_GOAWAY_TIMEOUT_MS: '2000' };
    const provider = await world().service('provider', { env });
    const consumers = await fakeConsumers(provider.port, [...Array(240).fill('answers'), ...Array(10).fill('hangs')]);
    try {
      provider.child.signal('SIGTERM');
      const [link] = await provider.child.sees(/http:\/\/127\.0\.0\.1:\d+\/trace\/[0-9a-f]{32}/);
      const { page, faults, shoot } = await browser.open(link);
      await page.locator('.verdict .badge.warn', { hasText: 'incomplete' }).waitFor({ timeout: 60_000 });
      expect(await page.locator('.verdict').innerText()).toMatch(/240 of 250 consumers acked/);
      const failed = page.locator('.waterfall tr.bad', { hasText: 'attempts' });
      await until(async () => (await failed.count()) === 10);
      expect((await rows(page)).length).toBeLessThan(25);
      expect(await page.locator('tr.more').innerText()).toContain('240 more acked');
      // Processes of the plugin tell what became of their address lists; these only answer.
      expect(await page.locator('.verdict').innerText()).toContain('not whole');
      await failed.first().locator('.fold').click();
      expect((await rows(page)).filter((text) => text.startsWith('attempt ')).length).toBeGreaterThan(1);
      await shoot('250-consumers-real');
      expect(faults).toEqual([]);
    } finally {
      consumers.close();
    }
  }, 120_000);

  test('by keyboard alone: from the list to a shutdown, through its rows, its zoom and its values', async () => {
    await shutdown('keys', 30, 1);
    const { page } = await browser.open(`${world().collector.queryUrl}/`);
    await page.locator('.list tbody tr').first().waitFor();
    const focused = () =>
      page.evaluate(() =>
        document.activeElement === document.body ? '' : (document.activeElement?.textContent ?? ''),
      );
    const tabTo = async (text: string) => {
      for (let n = 0; n < 60 && !(await focused()).startsWith(text); n++) await page.keyboard.press('Tab');
      expect(await focused()).toMatch(new RegExp(`^${text}`));
    };
    await tabTo('keys');
    await page.keyboard.press('Enter');
    await page.locator('.waterfall tbody tr').first().waitFor();
    await tabTo('offline');
    const press = async (...keys: readonly string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await press('ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown');
    expect(await focused()).toMatch(/caller-0.*timeout/);
    await press('Enter');
    await page.locator('.details', { hasText: 'caller-0 was not told' }).waitFor();
    await press(' ');
    await page.locator('.details').waitFor({ state: 'detached' });
    await press('ArrowLeft');
    expect(await focused()).toMatch(/^caller/);
    const open = (await rows(page)).length;
    await press('ArrowLeft');
    expect((await rows(page)).length).toBeLessThan(open);
    await press('ArrowRight');
    expect((await rows(page)).length).toBe(open);
    await press('End');
    expect(await focused()).toMatch(/^stop/);
    await press('Home', 'Shift+Tab', 'ArrowRight');
    expect(await page.locator('.zoom input:checked').getAttribute('value')).toBe('notify');
    expect(await page.locator('.axis').innerText()).toMatch(/11 ms$/);
    const outline = await page.evaluate(() => {
      const marked = document.activeElement?.nextElementSibling;
      return marked ? getComputedStyle(marked).outlineStyle : '';
    });
    expect(outline).toBe('solid');
  });

  test('the list: verdicts, filters that stay in the address, and a new shutdown as soon as it begins', async () => {
    await shutdown('good', 3);
    await shutdown('poor', 3, 2);
    await shutdown('old', 1, 0, Date.now() - 7_200_000);
    const { page, faults, shoot } = await browser.open(`${world().collector.queryUrl}/`);
    const listed = async () => (await page.locator('.list .service').allInnerTexts()).sort();
    const shows = (...services: readonly string[]) =>
      until(async () => JSON.stringify(await listed()) === JSON.stringify([...services].sort()));
    await shows('good', 'poor', 'old');
    expect(await page.locator('.list tbody tr', { hasText: 'poor' }).innerText()).toMatch(
      /incomplete\s+1 \/ 3\s+75 ms\s+2 of 3 consumers were not told, and 2 more/,
    );
    await page.selectOption('select[name=result]', 'incomplete');
    await shows('poor');
    expect(page.url()).toMatch(/\?result=incomplete$/);
    await page.reload();
    await shows('poor');
    await page.selectOption('select[name=result]', '');
    await page.selectOption('select[name=ended]', '3600');
    await shows('good', 'poor');
    await page.selectOption('select[name=service]', 'good');
    await shows('good');
    await page.goBack();
    await shows('good', 'poor');
    const [started] = Object.keys(SPANS).filter((work) => work === 'offline.started');
    const begun = { traceId: hex(16), spanId: hex(8), parentSpanId: hex(8), work: started as 'offline.started' };
    const attributes = { [ATTR.service]: 'leaver', [ATTR.instanceId]: 'leaver-1', [ATTR.gracePeriod]: 30.5 };
    await sendOtlp(world().collector.otlpUrl, [
      otlpBody('leaver', 'leaver-1', [{ ...begun, start: Date.now(), durationMs: 0.01, attributes }]),
    ]);
    await shows('good', 'poor', 'leaver');
    expect(await page.locator('.list tbody tr').first().innerText()).toMatch(/leaver.*leaving/s);
    await shoot('list');
    expect(faults).toEqual([]);
  });

  test('a shutdown and a start that never end are shown as such, although no further span comes', async () => {
    const { otlpUrl, queryUrl } = world().collector;
    const begun = (work: 'offline.started' | 'online.started', start: number) => {
      const ids = { traceId: hex(16), spanId: hex(8), parentSpanId: hex(8) };
      const attributes = { [ATTR.service]: 'killed', [ATTR.instanceId]: 'killed-1', [ATTR.gracePeriod]: 7 };
      return { ...ids, work, start, durationMs: 0.01, attributes };
    };
    // A start is taken to run for at most a quarter of an hour.
    const [offline, online] = [begun('offline.started', Date.now()), begun('online.started', Date.now() - 888_000)];
    const list = await browser.open(`${queryUrl}/`);
    await sendOtlp(otlpUrl, [otlpBody('killed', 'killed-1', [offline, online])]);
    const one = await browser.open(`${queryUrl}/trace/${offline.traceId}`);
    const badges = [
      list.page.locator('.list tbody tr', { hasText: 'offline' }).locator('.result'),
      list.page.locator('.list tbody tr', { hasText: 'online' }).locator('.result'),
      one.page.locator('.verdict'),
    ];
    for (const badge of badges) await badge.filter({ hasText: /leaving|starting/ }).waitFor();
    for (const [n, badge] of badges.entries()) await badge.filter({ hasText: n === 1 ? 'no end' : 'killed' }).waitFor();
  });

  test('more shutdowns than one page holds', async () => {
    const start = Date.now() - 3_600_000;
    for (let n = 0; n < 60; n++) await shutdown(`s-${n}`, 0, 0, start + n * 1_000);
    const { page } = await browser.open(`${world().collector.queryUrl}/`);
    await page.locator('.list tbody tr').nth(49).waitFor();
    await page.getByRole('button', { name: 'Earlier' }).click();
    await until(async () => (await page.locator('.list tbody tr').count()) === 10);
    expect(await page.locator('.list .service').first().innerText()).toBe('s-9');
    await page.getByRole('button', { name: 'Latest' }).click();
    await until(async () => (await page.locator('.list tbody tr').count()) === 50);
  });

  test('the page shows all that a sender writes as text: no script runs, no other host gets a request, long values open on demand', async () => {
    const attack = '<img src="http://198.51.100.1/x" onerror="alert(1)"><script>alert(2)</script>';
    const { traceId, bodies } = shutdownBodies('quoted', 2, 1);
    const spoiled = bodies.map((body) =>
      body
        .replaceAll('quoted', JSON.stringify(attack).slice(1, -1))
        .replaceAll('caller', JSON.stringify(`"><b>${attack}`).slice(1, -1))
        .replace('SIGTERM', 'x'.repeat(100_000)),
    );
    await sendOtlp(world().collector.otlpUrl, [...spoiled, foreignBody(Date.now()).body]);
    const { queryUrl } = world().collector;
    const list = await browser.open(`${queryUrl}/`, { width: 390 });
    await list.page.locator('.list tbody tr').first().waitFor();
    expect(await list.page.locator('.list .service').first().innerText()).toBe(attack);
    expect(await overflow(list.page)).toBeLessThanOrEqual(0);
    const one = await browser.open(`${queryUrl}/trace/${traceId}`, { width: 390 });
    await one.page.locator('.waterfall tbody tr').first().waitFor();
    await one.page.locator('.waterfall tr', { hasText: 'offline.started' }).click();
    expect(await one.page.locator('h1').innerText()).toBe(attack);
    const value = one.page.locator('.details .value', { hasText: 'xxx' });
    expect((await value.innerText()).length).toBeLessThan(300);
    await value.getByRole('button').click();
    expect((await value.innerText()).length).toBeGreaterThan(100_000);
    expect(await overflow(one.page)).toBeLessThanOrEqual(0);
    for (const { page, faults, hosts } of [list, one]) {
      expect(await page.locator('img, b, #page script').count()).toBe(0);
      expect({ faults, hosts: [...hosts] }).toEqual({ faults: [], hosts: [new URL(queryUrl).host] });
    }
  });

  test('the policy: only its own server, no inline script, no frame; on every file', async () => {
    const { queryUrl } = world().collector;
    for (const path of ['/', `/trace/${hex(16)}`, '/page/main.js', '/page/style.css', '/page/icon.svg']) {
      const { headers, status } = await fetch(`${queryUrl}${path}`);
      expect(status, path).toBe(200);
      expect(headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self'/,
      );
      expect(headers.get('content-security-policy')).not.toContain('unsafe');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
    for (const path of [
      '/page/',
      '/page/constructor',
      '/page/../server.js',
      '/page/%2e%2e%2fserver.js',
      '/trace/',
      '/trace/a/b',
    ])
      expect((await fetch(`${queryUrl}${path}`)).status, path).toBe(404);
    const { page } = await browser.open(`${queryUrl}/`);
    const refused = await page.evaluate(async () => {
      const other = await fetch('http://127.0.0.1:1/').catch(() => 'refused');
      const violations: string[] = [];
      document.addEventListener('securitypolicyviolation', (event) => violations.push(event.effectiveDirective));
      const script = document.createElement('script');
      try {
        script.textContent = 'globalThis.ran = true';
      } catch {
        violations.push('trusted types');
      }
      document.body.append(script);
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { other, violations: violations.length > 0, ran: 'ran' in globalThis };
    });
    expect(refused).toEqual({ other: 'refused', violations: true, ran: false });
  });

  test('the collector does not send an unchanged answer again, and the page says when the collector is gone', async () => {
    const collector = await embeddedCollector();
    const { bodies } = shutdownBodies('still', 3);
    await sendOtlp(collector.otlpUrl, bodies);
    const list = await browser.open(`${collector.queryUrl}/`);
    const statuses: number[] = [];
    list.page.on('response', (response) => statuses.push(response.status()));
    await until(() => statuses.filter((status) => status === 304).length >= 3);
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(2);
    await collector.close();
    await list.page.locator('.problem', { hasText: 'cannot reach the collector' }).waitFor();
    expect(await list.page.locator('.list tbody tr').count()).toBe(1);
  });

  test('a trace that has not arrived yet, a trace without an end, and a trace of another program', async () => {
    const { queryUrl, otlpUrl } = world().collector;
    const { traceId, bodies } = shutdownBodies('late', 2, 0, Date.now() - 600_000);
    const { page } = await browser.open(`${queryUrl}/trace/${traceId}`);
    await page.locator('.empty', { hasText: 'No span of trace' }).waitFor();
    const [own = ''] = bodies;
    const killed = JSON.parse(own);
    const [scope] = killed.resourceSpans[0].scopeSpans;
    scope.spans = scope.spans.filter((span: { name: string }) => !/offline$|stop|drain/.test(span.name));
    await sendOtlp(otlpUrl, [JSON.stringify(killed)]);
    await page.locator('.verdict', { hasText: 'killed' }).waitFor();
    expect(await page.locator('.verdict').innerText()).toContain('the process was killed');
    const foreign = foreignBody(Date.now());
    await sendOtlp(otlpUrl, [foreign.body]);
    const other = await browser.open(`${queryUrl}/trace/${foreign.traceId}`);
    await other.page.locator('.waterfall tbody tr').first().waitFor();
    expect(await other.page.locator('.summary').count()).toBe(0);
    expect(other.faults).toEqual([]);
  });

  test.each(['light', 'dark'] as const)('%s: every word has a contrast of 4.5 to its ground', async (scheme) => {
    const link = await shutdown('seen', 20, 3);
    const { page } = await browser.open(link, { scheme });
    await page.locator('.waterfall tbody tr').first().waitFor();
    await page.locator('.waterfall tr', { hasText: 'timeout' }).first().click();
    const poor = await page.evaluate(() => {
      const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      const luminance = (color: string): readonly [number, number] => {
        if (canvas === null) return [0, 0];
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r = 0, g = 0, b = 0, alpha = 0] = canvas.getImageData(0, 0, 1, 1).data;
        const [R = 0, G = 0, B = 0] = [r, g, b].map((each) =>
          each / 255 <= 0.03928 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4,
        );
        return [0.2126 * R + 0.7152 * G + 0.0722 * B, alpha];
      };
      const groundOf = (element: Element | null): number => {
        if (element === null) return 1;
        const [ground, alpha] = luminance(getComputedStyle(element).backgroundColor);
        return alpha === 255 ? ground : groundOf(element.parentElement);
      };
      return [...document.querySelectorAll('body *')]
        .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim()))
        .flatMap((element) => {
          const [text] = luminance(getComputedStyle(element).color);
          const ground = groundOf(element);
          const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
          return contrast < 4.5 ? [`${element.className} ${element.textContent}: ${contrast.toFixed(2)}`] : [];
        });
    });
    expect(poor).toEqual([]);
  });
});
