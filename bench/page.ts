import { embeddedCollector } from '../test/support/embedded-collector.ts';
import { chromiumMissing, launchChromium } from '../test/support/observe/chromium.ts';
import { sendOtlp, shutdownBodies } from '../test/support/observe/otlp.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

const RUNS = 7;

/** In the page: resolves with the milliseconds since the navigation when a failed consumer's row has opened by a click. */
const USABLE = `new Promise((resolve) => {
  let isClicked = false;
  const look = () => {
    const row = document.querySelector('.waterfall tr.bad');
    if (row !== null && !isClicked) {
      isClicked = true;
      row.click();
    }
    if (document.querySelector('.details') !== null) resolve(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})`;

export const page: Benchmark = {
  title: 'The page of the collector',
  how: `From the navigation until a row of the waterfall has opened by a click, by the clock of the page, in a new window of a Chromium that runs; median and longest of ${RUNS}.`,
  async run() {
    const missing = chromiumMissing();
    if (missing) {
      console.log(`  ${missing}`);
      return [];
    }
    const collector = await embeddedCollector();
    const browser = await launchChromium();
    const rows: Row[] = [];
    for (const consumers of [250, 1_000, 2_000]) {
      const { traceId, bodies } = shutdownBodies('measured', consumers, 10, Date.now(), ['a', 'b', 'c', 'd', 'e']);
      await sendOtlp(collector.otlpUrl, bodies);
      const took: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        const view = await browser.newPage();
        await view.goto(`${collector.queryUrl}/trace/${traceId}`, { waitUntil: 'commit' });
        took.push(await view.evaluate<number>(USABLE));
        await view.close();
      }
      rows.push({
        what: `a shutdown of ${consumers} consumers, until a row has told its details`,
        measured: `${ms(quantile(took, 0.5))}, at most ${ms(Math.max(...took))}`,
        against: consumers === 1_000 ? reached(quantile(took, 1) <= 1_000, '≤ 1 s') : '',
      });
    }
    await browser.close();
    await collector.close();
    return rows;
  },
};
