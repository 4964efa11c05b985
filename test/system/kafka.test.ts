import { describe, expect, test } from 'vitest';
import { useClosing } from '../support/closing.ts';
import { deliver, manyShutdowns, missingIn, type Sent } from '../support/observe/delivery.ts';
import { serverMissing } from '../support/servers/built.ts';
import { OwnJaeger } from '../support/servers/jaeger.ts';
import { Kafka } from '../support/servers/kafka.ts';
import { OtelCollector } from '../support/servers/otel-collector.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('jaeger', 'collector', 'kafka');
if (missing) console.warn(`skipped: ${missing}`);

describe.skipIf(missing)('Kafka between the gateway and Jaeger', () => {
  const run = useClosing();

  test('every shutdown arrives, also when any of the three is killed', async () => {
    const kafka = await run(Kafka.start());
    const env = { KAFKA_BROKERS: `[${kafka.address}]` };
    const gateway = await run(OtelCollector.start({ files: ['gateway', 'kafka'], env }));
    const jaeger = await run(OwnJaeger.start({ with: ['badger', 'kafka'], env }));
    const sent: Sent[] = [];
    const send = async (count: number): Promise<void> => {
      const more = manyShutdowns('through-kafka', count);
      await deliver(gateway.otlpUrl, more);
      sent.push(...more);
    };
    const arrived = (): Promise<void> =>
      until(async () => (await missingIn(jaeger.queryUrl, sent)).length === 0, 60_000);

    await send(30);
    await arrived();
    expect(sent).toHaveLength(30);

    // The broker is gone, and the gateway killed right after its answers.
    await kafka.stop();
    await send(20);
    await gateway.stop();
    await gateway.start();
    await kafka.start();
    await arrived();

    // Jaeger is killed while it reads, and gone while more comes.
    await send(20);
    await jaeger.stop();
    await send(20);
    await jaeger.start();
    await send(20);
    await arrived();
    expect(sent).toHaveLength(110);
  }, 240_000);
});
