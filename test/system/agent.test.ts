import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deliver, manyShutdowns, missingIn } from '../support/observe/delivery.ts';
import { serverMissing } from '../support/servers/built.ts';
import { OwnJaeger } from '../support/servers/jaeger.ts';
import { OtelCollector } from '../support/servers/otel-collector.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('jaeger', 'collector');
if (missing) console.warn(`skipped: ${missing}`);

/** A gateway with its own Jaeger, which shows the traces that arrived there. */
interface Side {
  readonly jaeger: OwnJaeger;
  readonly gateway: OtelCollector;
}

describe.skipIf(missing)('an agent before two gateways', () => {
  let sides: readonly Side[] = [];
  let agent: OtelCollector;

  beforeEach(async () => {
    sides = await Promise.all([side(), side()]);
    const gateways = sides.map(({ gateway }) => gateway.grpcAddress).join(', ');
    agent = await OtelCollector.start({ files: ['agent'], env: { COLLECTOR_GATEWAYS: `[${gateways}]` } });
  });
  afterEach(async () => {
    await agent?.close();
    for (const { gateway, jaeger } of sides) {
      await gateway.close();
      await jaeger.close();
    }
  });

  const missingInBoth = async (sent: Parameters<typeof missingIn>[1]): Promise<readonly (readonly string[])[]> =>
    Promise.all(sides.map(({ jaeger }) => missingIn(jaeger.queryUrl, sent)));

  test('each trace is whole at one gateway, although its spans come from several processes', async () => {
    const sent = manyShutdowns('spread', 60);
    await deliver(agent.otlpUrl, sent);
    await until(async () => (await missingInBoth(sent)).flat().length === sent.length);
    const [one = [], other = []] = await missingInBoth(sent);
    expect(new Set([...one, ...other]).size).toBe(sent.length);
    // All at one side has a chance of 2 to the power of -59.
    expect(Math.min(one.length, other.length)).toBeGreaterThan(0);
  });

  test('both gateways are down and the agent is killed meanwhile: every trace arrives, whole at one gateway', async () => {
    await Promise.all(sides.map(({ gateway }) => gateway.stop()));
    const sent = manyShutdowns('waiting', 40);
    for (const [n, shutdown] of sent.entries()) {
      await deliver(agent.otlpUrl, [shutdown]);
      if (n % 10 === 9) {
        await agent.stop();
        await agent.start();
      }
    }
    await Promise.all(sides.map(({ gateway }) => gateway.start()));
    await until(async () => (await missingInBoth(sent)).flat().length === sent.length);
    const [one = [], other = []] = await missingInBoth(sent);
    expect(new Set([...one, ...other]).size).toBe(sent.length);
  }, 120_000);

  test('one gateway is down: traces of the other arrive at once, its own when it is back', async () => {
    const [down] = sides;
    await down?.gateway.stop();
    const sent = manyShutdowns('half', 40);
    await deliver(agent.otlpUrl, sent);
    const [, other = ''] = sides.map(({ jaeger }) => jaeger.queryUrl);
    await until(async () => (await missingIn(other, sent)).length < sent.length);
    await down?.gateway.start();
    await until(async () => (await missingInBoth(sent)).flat().length === sent.length);
  }, 120_000);
});

async function side(): Promise<Side> {
  const jaeger = await OwnJaeger.start();
  const gateway = await OtelCollector.start({ files: ['gateway'], env: { JAEGER_OTLP_URL: jaeger.otlpUrl } });
  return { jaeger, gateway };
}
