import { embeddedCollector } from '../test/support/embedded-collector.ts';
import { sendOtlp, shutdownBodies } from '../test/support/observe/otlp.ts';
import { lossless } from '../test/support/process/cli.ts';
import { type Benchmark, ms, quantile, reached } from './row.ts';

const SHUTDOWNS = 1_000;
const CONSUMERS = 5;
const RUNS = 5;

export const verify: Benchmark = {
  title: 'The release gate',
  how: `\`lossless verify\` as a process of its own over ${SHUTDOWNS} shutdowns of ${CONSUMERS} consumers in the embedded collector; longest of ${RUNS}.`,
  async run() {
    const collector = await embeddedCollector();
    try {
      const begin = Date.now() - 600_000;
      for (let n = 0; n < SHUTDOWNS; n++)
        await sendOtlp(collector.otlpUrl, shutdownBodies('rolled', CONSUMERS, 0, begin + n * 100).bodies);
      const args = ['verify', '--service', 'rolled', '--since', '1h', '--expect', `${SHUTDOWNS}`];
      const took: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        const begun = performance.now();
        const { code, stderr } = await lossless([...args, '--url', collector.queryUrl]);
        if (code !== 0) throw new Error(`verify ended with ${code}: ${stderr}`);
        took.push(performance.now() - begun);
      }
      const longest = quantile(took, 1);
      return [{ what: `${SHUTDOWNS} shutdowns`, measured: ms(longest), against: reached(longest <= 5_000, '≤ 5 s') }];
    } finally {
      await collector.close();
    }
  },
};
