import { expect, test } from 'vitest';
import { embeddedCollector } from '../../support/embedded-collector.ts';
import { sendOtlp, shutdownBodies } from '../../support/observe/otlp.ts';

test('a trace that is too old is gone, though nothing arrives after it', async () => {
  const collector = await embeddedCollector({ maxAgeMs: 1_000 });
  try {
    const { traceId, bodies } = shutdownBodies('shop', 1);
    await sendOtlp(collector.otlpUrl, bodies);
    const status = async () => (await fetch(`${collector.queryUrl}/api/traces/${traceId}`)).status;
    expect(await status()).toBe(200);
    await expect.poll(status, { timeout: 10_000 }).toBe(404);
  } finally {
    await collector.close();
  }
}, 20_000);
