import { describe, expect, test } from 'vitest';
import { useClosing } from '../support/closing.ts';
import { manyShutdowns, missingIn } from '../support/observe/delivery.ts';
import { sendOtlp } from '../support/observe/otlp.ts';
import { serverMissing } from '../support/servers/built.ts';
import { OwnJaeger } from '../support/servers/jaeger.ts';

const missing = serverMissing('jaeger');
if (missing) console.warn(`skipped: ${missing}`);

describe.skipIf(missing)('Jaeger with its traces on disk', () => {
  const run = useClosing();

  test('killed right after an answer, it has every span when it is started again', async () => {
    const jaeger = await run(OwnJaeger.start({ with: ['badger'] }));
    const sent = manyShutdowns('on-disk', 60);
    for (let round = 0; round < 3; round++) {
      await sendOtlp(
        jaeger.otlpUrl,
        sent.slice(round * 20, (round + 1) * 20).flatMap(({ bodies }) => bodies),
      );
      await jaeger.stop();
      await jaeger.start();
    }
    expect(await missingIn(jaeger.queryUrl, sent)).toEqual([]);
  });
});
