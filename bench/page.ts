import { startCollector } from '../collector/server.ts';
import { chromiumMissing, launchChromium } from '../test/support/chromium.ts';
import { sendOtlp, shutdownBodies } from '../test/support/otlp.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

const RUNS = 7;

export const page: Benchmark = {
  title: 'The page of the collector',
  how: `From the navigation until the waterfall can be used, in a new window of a Chromium that runs; median and longest of ${RUNS}.`,
  async run() {
    const missing = chromiumMissing();
    if (missing) {
      console.log(`  ${missing}`);
      return [];
    }
    const collector = await startCollector({
      host: '127.0.0.1',
      ports: [0],
      database: ':memory:',
      maxAgeMs: 3_600_000,
      maxBytes: 2 ** 29,
    });
    const browser = await launchChromium();
    const rows: Row[] = [];
    for (const consumers of [250, 1_000, 2_000]) {
      const { traceId, bodies } = shutdownBodies('measured', consumers, 10, Date.now(), ['a', 'b', 'c', 'd', 'e']);
      await sendOtlp(collector.otlpUrl, bodies);
      const took: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        const view = await browser.newPage();
        const begun = performance.now();
        await view.goto(`${collector.queryUrl}/trace/${traceId}`, { waitUntil: 'commit' });
        const row = view.locator('.waterfall tbody tr', { hasText: 'timeout' }).first();
        await row.click();
        await view.locator('.details').waitFor();
        took.push(performance.now() - begun);
        await view.close();
      }
      rows.push({
        what: `a shutdown of ${consumers} consumers, until a row has told its details`,
        measured: `${ms(quantile(took, 0.5))}, at most ${ms(Math.max(...took))}`,
        against: consumers === 1_000 ? reached(Math.max(...took) <= 1_000, '≤ 1 s') : '',
      });
    }
    await browser.close();
    await collector.close();
    return rows;
  },
};
