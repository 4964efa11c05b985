import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assess } from '../../src/trace/model/verdict.ts';
import { DemoRun } from '../support/process/demo-run.ts';
import { Alertmanager } from '../support/servers/alertmanager.ts';
import { serverMissing } from '../support/servers/built.ts';
import { OwnJaeger } from '../support/servers/jaeger.ts';
import { Prometheus } from '../support/servers/prometheus.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('jaeger', 'prometheus', 'alertmanager');
if (missing) console.warn(`skipped: ${missing}`);

/** Longest time from the end of a shutdown to the message. */
const LATEST_MS = 120_000;

/** An alert as Alertmanager holds it. */
interface HeldAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

describe.skipIf(missing)('from a shutdown to the alert, with the intervals as they are shipped', () => {
  let jaeger: OwnJaeger;
  let alertmanager: Alertmanager;
  let prometheus: Prometheus;
  let run: DemoRun;

  beforeAll(async () => {
    jaeger = await OwnJaeger.start({ env: { JAEGER_SPANMETRICS_FLUSH: '15s' } });
    alertmanager = await Alertmanager.start({});
    prometheus = await Prometheus.start({
      metricsUrls: [jaeger.metricsUrl],
      alertmanagerUrl: alertmanager.url,
      jaegerUrl: jaeger.queryUrl,
    });
    run = new DemoRun(jaeger);
  });
  afterAll(async () => {
    await run?.close();
    await prometheus?.close();
    await alertmanager?.close();
    await jaeger?.close();
  });

  test('a consumer that cannot be told becomes a message that leads to the trace; a clean shutdown becomes none', async () => {
    const shop = await run.service('shop', ['answers', 'refuses']);
    const clean = await run.service('clean', ['answers', 'answers']);
    await Promise.all([shop.leave(), clean.leave()]);
    const ended = Date.now();
    await until(() => alertmanager.notified.length > 0, LATEST_MS + 30_000);
    const [message] = alertmanager.notified;
    const took = (message?.at ?? 0) - ended;
    console.log(`the message came ${(took / 1_000).toFixed(1)} s after the end of the shutdown`);
    expect(took).toBeLessThanOrEqual(LATEST_MS);
    expect(message).toMatchObject({
      status: 'firing',
      labels: {
        alertname: 'LosslessFanOutIncomplete',
        severity: 'warning',
        service_name: 'shop',
        service_peer_name: 'consumer',
      },
      annotations: { summary: 'GoAways of shop to consumer that failed: 1' },
    });

    const [held, ...others] = (await (await fetch(`${alertmanager.url}/api/v2/alerts`)).json()) as HeldAlert[];
    expect(others).toEqual([]);
    const [trace] = (await run.traces(2)).filter((each) => assess(each).service === 'shop');
    expect(await tracesAt(held?.annotations['traces_url'])).toEqual([trace?.traceId]);
    expect(await (await fetch(held?.annotations['runbook_url'] ?? '')).text()).toMatch(/^# LosslessFanOutIncomplete\n/);
    expect(held?.annotations['dashboard_url']).toMatch(
      /^http:\/\/127\.0\.0\.1:3000\/d\/lossless-shutdowns\?viewPanel=\d+&var-service=shop$/,
    );
    expect(Object.keys(held?.labels ?? {}).sort()).toEqual([
      'alertname',
      'cluster',
      'service_name',
      'service_peer_name',
      'severity',
    ]);
  }, 240_000);

  /** The content of the page of Jaeger behind a link: the page asks its own server for the query in its address. */
  async function tracesAt(link = ''): Promise<readonly string[]> {
    const { pathname, search, origin } = new URL(link);
    expect([origin, pathname]).toEqual([new URL(jaeger.queryUrl).origin, '/search']);
    const { data } = (await (await fetch(`${origin}/api/traces${search}`)).json()) as {
      readonly data: readonly { readonly traceID: string }[];
    };
    return data.map(({ traceID }) => traceID);
  }
});
