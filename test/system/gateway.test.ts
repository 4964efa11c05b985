import { describe, expect, test } from 'vitest';
import { useClosing } from '../support/closing.ts';
import { applicationBody, deliver, manyShutdowns, missingIn, post } from '../support/observe/delivery.ts';
import { sendOtlp } from '../support/observe/otlp.ts';
import { serverMissing } from '../support/servers/built.ts';
import { OwnJaeger } from '../support/servers/jaeger.ts';
import { OtelCollector } from '../support/servers/otel-collector.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('jaeger', 'collector');
if (missing) console.warn(`skipped: ${missing}`);

/** How long Jaeger is down, in milliseconds. */
const OUTAGE_MS = 20_000;

describe.skipIf(missing)('a gateway before Jaeger', () => {
  const run = useClosing();
  const gatewayOf = (jaeger: OwnJaeger, env: Readonly<Record<string, string>> = {}): Promise<OtelCollector> =>
    run(
      OtelCollector.start({
        files: ['gateway'],
        env: { JAEGER_OTLP_URL: jaeger.otlpUrl, COLLECTOR_DECISION_WAIT: '2s', ...env },
      }),
    );

  test('1 % of the traces of applications and every shutdown, at once', async () => {
    const jaeger = await run(OwnJaeger.start());
    const gateway = await gatewayOf(jaeger);
    const shutdowns = manyShutdowns('kept', 200);
    const application = Array.from({ length: 40 }, () => applicationBody('sampled', 100));
    await Promise.all([
      sendOtlp(
        gateway.otlpUrl,
        shutdowns.flatMap(({ bodies }) => bodies),
      ),
      sendOtlp(gateway.otlpUrl, application),
    ]);
    await until(async () => (await missingIn(jaeger.queryUrl, shutdowns)).length === 0);
    const kept = async (): Promise<readonly { readonly spans: readonly unknown[] }[]> => {
      const { data } = (await (await fetch(`${jaeger.queryUrl}/api/traces?service=sampled&limit=10000`)).json()) as {
        data: { spans: unknown[] }[];
      };
      return data;
    };
    // The sampler decides 2 s after the first span of a trace, and a batch is sent after 1 s.
    const decided = Date.now() + 5_000;
    await until(() => Date.now() >= decided);
    // A binomial of 4,000 at 1 %: outside once in a million runs.
    expect((await kept()).length).toBeGreaterThan(10);
    expect((await kept()).length).toBeLessThan(80);
    expect((await kept()).filter(({ spans }) => spans.length !== 2)).toEqual([]);
  });

  test('Jaeger is down and the gateway killed meanwhile: every shutdown arrives', async () => {
    const jaeger = await run(OwnJaeger.start({ with: ['badger'] }));
    const gateway = await gatewayOf(jaeger);
    const before = manyShutdowns('outage', 20);
    await deliver(gateway.otlpUrl, before);
    const stopped = Date.now();
    await jaeger.stop();
    const during = manyShutdowns('outage', 40);
    for (const [n, shutdown] of during.entries()) {
      await deliver(gateway.otlpUrl, [shutdown]);
      // At once after the answer: what was answered must be on disk.
      if (n % 10 === 9) {
        await gateway.stop();
        await gateway.start();
      }
    }
    await until(() => Date.now() - stopped >= OUTAGE_MS);
    await jaeger.start();
    const after = manyShutdowns('outage', 5);
    await deliver(gateway.otlpUrl, after);
    await until(async () => (await missingIn(jaeger.queryUrl, [...before, ...during, ...after])).length === 0, 60_000);
  }, 120_000);

  test('when its queue is full the sender gets an error and keeps its spans', async () => {
    const jaeger = await run(OwnJaeger.start());
    const gateway = await gatewayOf(jaeger, { COLLECTOR_QUEUE_SIZE: '20' });
    await jaeger.stop();
    const statuses: (number | undefined)[] = [];
    for (const body of manyShutdowns('crowd', 6).flatMap(({ bodies }) => bodies))
      statuses.push(await post(gateway.otlpUrl, body));
    expect(statuses).toEqual([...Array(20).fill(200), ...Array(4).fill(503)]);
  }, 120_000);
});
