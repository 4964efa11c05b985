import { beforeAll, describe, expect, test } from 'vitest';
import { embeddedCollector } from '../support/embedded-collector.ts';
import { sendOtlp, shutdownBodies } from '../support/observe/otlp.ts';
import { foreignBody } from '../support/observe/otlp-foreign.ts';
import { jaegerMissing, startJaeger } from '../support/servers/jaeger.ts';
import { until } from '../support/until.ts';
import { useStarted } from '../support/use-started.ts';

const missing = jaegerMissing();
if (missing) console.warn(`skipped: ${missing}`);

/** What our own metrics leave out: they are about whichever instance came first. */
const LEFT_OUT = ['instance', 'otel_scope_schema_url', 'otel_scope_version'];

/** Values by name and labels, in any order, without exemplars: Jaeger shows each for one flush only. */
type Samples = Readonly<Record<string, number>>;

async function scrape(url: string, accept: string): Promise<{ readonly type: string; readonly samples: Samples }> {
  const response = await fetch(url, { headers: { accept } });
  const samples = (await response.text()).split('\n').flatMap((line): [string, number][] => {
    const [, name = '', labels = '', value = ''] =
      /^(traces_span_metrics_\w+)\{(.*?)\} (\S+)( # \{span_id="\w{16}",trace_id="\w{32}"\} \S+ \S+)?$/.exec(line) ?? [];
    if (name === '') return [];
    const kept = labels
      .split(/,(?=\w+=")/)
      .filter((label) => !LEFT_OUT.some((out) => label.startsWith(`${out}=`)))
      .sort();
    return [[`${name}{${kept}}`, Number(value)]];
  });
  return {
    type: (response.headers.get('content-type') ?? '').split(';')[0] ?? '',
    samples: Object.fromEntries(samples),
  };
}

describe.skipIf(missing)('the embedded collector counts as a real Jaeger with spanmetrics', () => {
  const jaeger = useStarted(startJaeger);
  const embedded = useStarted(() => embeddedCollector());

  beforeAll(async () => {
    const sent = [shutdownBodies('counted-"a"\\', 3, 1), shutdownBodies('counted-b', 250, 7)];
    for (const { otlpUrl } of [jaeger(), embedded()])
      await sendOtlp(otlpUrl, [...sent.flatMap(({ bodies }) => bodies), foreignBody(Date.now()).body]);
  });

  test.each([
    ['text/plain', 'text/plain'],
    ['application/openmetrics-text;version=1.0.0', 'application/openmetrics-text'],
  ])('accept: %s', async (accept, type) => {
    let [real, ours] = [
      { type: '', samples: {} as Samples },
      { type: '', samples: {} as Samples },
    ];
    // Both show a new counter as 0 for a while, each for its own.
    await until(async () => {
      [real, ours] = await Promise.all([
        scrape(jaeger().metricsUrl, accept),
        scrape(`${embedded().queryUrl}/metrics`, accept),
      ]);
      const calls = [real, ours].map(({ samples }) =>
        Object.entries(samples).filter(([key]) => key.includes('_calls_')),
      );
      return calls.every((entries) => entries.length > 0 && entries.every(([, value]) => value !== 0));
    });
    expect(Object.keys(real.samples).length).toBeGreaterThan(300);
    expect(ours).toEqual(real);
    expect(ours.type).toBe(type);
  });
});
