import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { ATTR } from '../../../src/trace/model/schema.ts';
import { PHASES } from '../../../src/trace/model/verdict.ts';
import { embeddedCollector } from '../../support/embedded-collector.ts';
import { useBrowser } from '../../support/observe/browser.ts';
import { chromiumMissing } from '../../support/observe/chromium.ts';
import { hex, otlpBody, type SpanSpec, sendOtlp, shutdownBodies } from '../../support/observe/otlp.ts';
import { until } from '../../support/until.ts';
import { useStarted } from '../../support/use-started.ts';

const missing = chromiumMissing();
if (missing) console.warn(`skipped: ${missing}`);

const SERVICES = ['gateway', 'orders', 'billing', 'search', 'mail'];

/** Services in the list. */
function listed(page: Page): Promise<readonly string[]> {
  return page.locator('.list .service').allInnerTexts();
}

/** Names of the rows of the waterfall. */
function names(page: Page): Promise<readonly string[]> {
  return page.locator('.waterfall tr.span .name').allInnerTexts();
}

/** The file that a click saves. */
async function saved(page: Page, name: string): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByText(name, { exact: true }).click()]);
  return readFileSync(await download.path(), 'utf8');
}

describe.skipIf(missing)('what a reader of the page chooses to see', () => {
  const browser = useBrowser();
  const collector = useStarted(() => embeddedCollector({ jaegerUrl: new URL('http://127.0.0.1:16686/jaeger/') }));

  async function shutdown(...args: Parameters<typeof shutdownBodies>): Promise<string> {
    const { traceId, bodies } = shutdownBodies(...args);
    await sendOtlp(collector().otlpUrl, bodies);
    return traceId;
  }

  const open = (path: string, ...more: [Parameters<typeof browser.open>[1]?]) =>
    browser.open(`${collector().queryUrl}${path}`, ...more);

  test('the list: by text and moments that stay in the address, with counts, the latest begin first', async () => {
    const hour = Date.now() - 3_600_000;
    await shutdown('early', 1, 0, hour);
    const traceId = await shutdown('middle', 2, 1, hour + 60_000);
    await shutdown('late', 1, 0, hour + 120_000);
    const { page, faults } = await open('/');
    await page.locator('.list tbody tr').first().waitFor();
    expect(await listed(page)).toEqual(['late', 'middle', 'early']);
    expect(await page.locator('.list th').first().innerText()).toBe('Began');
    const begins = await page
      .locator('.list time')
      .evaluateAll((all) => all.map((each) => each.getAttribute('datetime')));
    expect(begins).toEqual(begins.toSorted().reverse());
    expect(await page.locator('.counts').innerText()).toMatch(/^3 shutdowns, 66.6 % lossless/);
    await page.locator('input[name=search]').fill(traceId.slice(0, 16));
    await until(async () => (await listed(page)).join() === 'middle');
    expect(page.url()).toMatch(new RegExp(`\\?search=${traceId.slice(0, 16)}$`));
    await page.locator('input[name=search]').fill('LATE-1');
    await until(async () => (await listed(page)).join() === 'late');
    const to = hour + 90_000;
    const { page: narrowed } = await open(`/?from=${hour + 30_000}&to=${to}`);
    await until(async () => (await listed(narrowed)).join() === 'middle');
    expect(await narrowed.locator('.counts').innerText()).toMatch(/^1 shutdown, 0 % lossless/);
    expect(await narrowed.locator('input[name=to]').evaluate((input: HTMLInputElement) => +new Date(input.value))).toBe(
      to - (to % 1_000),
    );
    expect(faults).toEqual([]);
  });

  test('all pages of the list are saved as CSV and JSON; no cell is a formula', async () => {
    for (let n = 0; n < 51; n++) await shutdown('saved', 1, 0, Date.now() - n * 1_000);
    await shutdown('=saved()', 1, 1, Date.now() - 60_000);
    const { page } = await open('/?search=saved');
    await page.locator('.list tbody tr').first().waitFor();
    const lines = (await saved(page, 'CSV')).trimEnd().split('\r\n');
    expect(lines).toHaveLength(53);
    expect(lines[0]).toMatch(/^began,took_ms,service,/);
    expect(lines.at(-1)).toMatch(
      /,'=saved\(\),.*,offline,incomplete,true,1,0,0,1 of 1 consumers were not told,[0-9a-f]{32}$/,
    );
    expect(JSON.parse(await saved(page, 'JSON'))).toHaveLength(52);
  });

  test('a trace: a consumer inside a folded group is found, and a link points at it', async () => {
    const traceId = await shutdown('busy', 250, 0, Date.now(), SERVICES);
    const { page, faults } = await open(`/trace/${traceId}`);
    await page.locator('.waterfall tbody tr').first().waitFor();
    expect(await names(page)).not.toContain('orders-246');
    await page.locator('input[name=find]').fill('orders-246');
    await until(async () => (await names(page)).length === 4);
    expect(await names(page)).toEqual(['offline', 'notify', 'orders', 'orders-246']);
    await page.locator('.waterfall tr', { hasText: 'orders-246' }).click();
    await page.locator('input[name=find]').fill('');
    await page.locator('.zoom label', { hasText: 'notify' }).click();
    const { page: linked } = await browser.open(page.url());
    await linked.locator('.details', { hasText: 'orders-246' }).waitFor();
    expect(await linked.locator('.zoom input:checked').getAttribute('value')).toBe('notify');
    expect(await names(linked)).toContain('orders-246');
    await expect.poll(() => linked.evaluate(() => scrollY)).toBeGreaterThan(0);
    expect(await linked.getByText('in Jaeger').getAttribute('href')).toBe(
      `http://127.0.0.1:16686/jaeger/trace/${traceId}`,
    );
    const csv = await saved(page, 'CSV');
    expect(csv.trimEnd().split('\r\n')).toHaveLength(1 + 511);
    expect(csv).toMatch(/lossless\.goaway,busy,,orders,orders-246,acked,false,,/);
    expect(JSON.parse(await saved(page, 'JSON')).data[0].spans).toHaveLength(511);
    expect(faults).toEqual([]);
  });

  test('the cause of a time-out stands first and leads to its runbook; its root is as red as its word', async () => {
    const { traceId, bodies } = shutdownBodies('cut', 2, 0, Date.now() - 10_000);
    const [own = '', ...refreshes] = bodies;
    const body = JSON.parse(own);
    for (const span of body.resourceSpans[0].scopeSpans[0].spans) {
      const set = (key: string, value: object): void => {
        span.attributes = [...span.attributes.filter((each: { key: string }) => each.key !== key), { key, value }];
      };
      if (span.name !== 'lossless.offline') continue;
      span.status = { code: 2, message: 'the grace period ended with work left' };
      set(ATTR.offlineResult, { stringValue: 'timeout' });
      set(ATTR.unmanaged, { intValue: '335' });
    }
    await sendOtlp(collector().otlpUrl, [JSON.stringify(body), ...refreshes]);
    const { page, faults } = await open(`/trace/${traceId}`);
    await page.locator('.verdict .badge.bad', { hasText: 'timeout' }).waitFor();
    expect(await page.locator('.verdict').innerText()).toMatch(
      /timeout\s+The grace period ended with 335 requests of callers without the plugin.*2 of 2 consumers acked/s,
    );
    expect(await page.locator('.waterfall tr', { hasText: 'offline' }).first().getAttribute('class')).toContain('bad');
    await page.locator('a.runbook').click();
    await page.waitForURL(/\/runbooks\/LosslessDrainTimedOut\.md$/);
    expect(await page.locator('body').innerText()).toContain('# LosslessDrainTimedOut');
    expect(faults).toEqual([]);
  });

  test('a running shutdown: a clock, its deadline, its current phase, and the consumers that have acked', async () => {
    const ids = { traceId: hex(16), parentSpanId: hex(8) };
    const attributes = { [ATTR.service]: 'runs', [ATTR.instanceId]: 'runs-1', [ATTR.gracePeriod]: 60 };
    const span = (more: Partial<SpanSpec>): SpanSpec => ({
      ...ids,
      spanId: hex(8),
      work: 'goaway',
      start: Date.now(),
      durationMs: 1,
      ...more,
    });
    const send = (...spans: readonly SpanSpec[]) => sendOtlp(collector().otlpUrl, [otlpBody('runs', 'runs-1', spans)]);
    await send(span({ work: 'offline.started', attributes }));
    const { page } = await open(`/trace/${ids.traceId}`);
    await page.locator('.running', { hasText: 'Telling its consumers' }).waitFor();
    await send(
      ...['acked', 'timeout'].map((result) => span({ attributes: { [ATTR.goawayResult]: result } })),
      span({ work: 'notify' }),
      span({ work: 'deregister' }),
    );
    const running = page.locator('.running', { hasText: 'Draining, 1 of 2 consumers acked so far' });
    await running.waitFor();
    expect(await running.innerText()).toMatch(/\d (ms|s), \d+\.\d s left/);
    expect(await page.locator('.facts').innerText()).toMatch(/acked\s+1 of 2/);
    const value = () => page.locator('progress').evaluate((bar: HTMLProgressElement) => bar.value);
    const before = await value();
    await until(async () => (await value()) > before);
    expect(await page.locator('.axis .tick').last().innerText()).toMatch(/ s$/);
    const { page: list } = await open('/?search=runs-1');
    await list.locator('.list tbody tr', { hasText: '1 / 2' }).waitFor();
  });

  test('a consumer whose clock is wrong is named, and squeezes nothing', async () => {
    const { traceId, bodies } = shutdownBodies('skewed', 2);
    const [own = '', first = '', second = ''] = bodies;
    const late = first.replace(/(TimeUnixNano":")(\d{10})/g, (_, name, s) => `${name}${Number(s) + 3_600}`);
    await sendOtlp(collector().otlpUrl, [own, late, second]);
    const { page } = await open(`/trace/${traceId}`);
    await page.locator('.summary .note', { hasText: 'Clocks differ: caller-0 60 min ahead.' }).waitFor();
    expect(await page.locator('.axis').innerText()).toMatch(/75 ms$/);
  });

  test('no two phases share a colour, and both words of a result are seen', async () => {
    const { bodies } = shutdownBodies('part', 2);
    await sendOtlp(collector().otlpUrl, bodies.slice(0, 2));
    const { page } = await open('/?search=part-1');
    const words = page.locator('.list .result');
    await words.filter({ hasText: 'not whole' }).waitFor();
    expect(await words.evaluate((cell) => cell.scrollWidth - cell.clientWidth)).toBeLessThanOrEqual(0);
    for (const scheme of ['light', 'dark'] as const) {
      const view = await open('/', { scheme });
      const colours = await view.page.evaluate(
        (phases) =>
          phases.map((phase) => {
            const bar = document.createElement('span');
            bar.className = `phase-${phase.replace('.', '-')}`;
            document.body.append(bar);
            return getComputedStyle(bar).backgroundColor;
          }),
        [...PHASES.offline, ...PHASES.online],
      );
      expect(new Set(colours).size, scheme).toBe(colours.length);
    }
  });

  test('the traffic ends where its words say: at the trigger when no request came after it', async () => {
    const { traceId, bodies } = shutdownBodies('quiet', 1);
    const none = { key: ATTR.served, value: { intValue: '0' } };
    const spoken = bodies.map((body) =>
      body.replace(
        /"key":"lossless.fanout.complete"/,
        `"key":"${none.key}","value":${JSON.stringify(none.value)}},{$&`,
      ),
    );
    await sendOtlp(collector().otlpUrl, spoken);
    const { page } = await open(`/trace/${traceId}`);
    expect(await page.locator('.traffic figcaption').innerText()).toContain('none after the trigger');
    const [trigger, area] = await page.evaluate(() => [
      document.querySelector('.plot .trigger')?.getBoundingClientRect().x ?? 0,
      document.querySelector('.plot .area')?.getBoundingClientRect().right ?? 0,
    ]);
    expect(Math.abs((area ?? 0) - (trigger ?? 0))).toBeLessThan(4);
    // A short shutdown takes more than a few points of the axis.
    const [lane, drain] = await page.evaluate(() => {
      const bar = document.querySelector('.lanes .phase-drain');
      return [bar?.parentElement?.clientWidth ?? 0, bar?.clientWidth ?? 0];
    });
    expect((drain ?? 0) / (lane ?? 1)).toBeGreaterThan(0.015);
  });
});
