import { expect, test } from 'vitest';
import { STATES, type State } from '../../src/lifecycle/transitions.ts';
import { PanelReader, type Point } from '../support/observe/panel-reader.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Prometheus } from '../support/servers/prometheus.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('prometheus');
if (missing) console.warn(`skipped: ${missing}`);

const world = useWorld();
const PICTURE = 'Traffic of each instance, as they leave and come';
const LANES = 'State of each instance';

/** Farthest that a mark or an end of a curve may lie from what happened, in milliseconds. */
const ERROR_MS = 1_000;

/** An instance that serves a caller leaves within milliseconds, between two scrapes that are ten seconds apart, as shipped. */
test.skipIf(missing)(
  'traffic falls after the mark of the offline and ends at 0; draining and the new instance are seen where they were',
  async () => {
    const begun = Date.now();
    const prometheus = await Prometheus.start({ metricsUrls: [] });
    const env = {
      LOSSLESS_HOLD_MS: '0',
      LOSSLESS_WARMUP_MS: '100',
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: prometheus.otlpUrl,
    };
    try {
      const leaver = await world().service('provider', { env });
      const stayer = await world().service('provider', { env });
      const caller = await world().caller('http://provider/echo', 40, { env });
      await world().called(leaver, 100);
      const newcomer = await world().service('provider', { env });
      const came = Date.now();
      const hosts = await Promise.all(
        [leaver, stayer, newcomer].map(async (one) => `127.0.0.1:${await world().controlPort(one)}`),
      );
      await prometheus.scrape(hosts.map((host) => `http://${host}/metrics`));
      await world().leave(leaver);
      await until(async () => (await prometheus.points('lossless_offline_end_time_milliseconds')).length > 0);
      expect((await caller.stop()).failed).toBe(0);
      const [root] = spansOf(await world().trace(leaver), 'offline');
      const instance = String(root?.tags['lossless.instance.id']);
      const [trigger, end] = [root?.start ?? 0, (root?.start ?? 0) + (root?.durationMs ?? 0)];
      const panels = new PanelReader({
        prometheus,
        jaegerUrl: '',
        services: ['provider'],
        from: begun,
        to: Date.now() + 2_000,
      });

      const [begins, ...others] = await panels.marks('instances', 'Offline begins');
      expect(others).toEqual([]);
      expect(begins).toMatchObject({
        title: 'Offline begins: provider',
        text: `${instance}, result success`,
        tags: ['provider', instance],
      });
      expect(Math.abs((begins?.at ?? 0) - trigger)).toBeLessThanOrEqual(ERROR_MS);
      const [ended] = await panels.marks('instances', 'Offline ended');
      expect(Math.abs((ended?.at ?? 0) - end)).toBeLessThanOrEqual(ERROR_MS);

      const curve = (await panels.curves('instances', PICTURE))[`provider ${instance}`] ?? [];
      const fell = curve.find(([at, value]) => at > trigger - ERROR_MS && value === 0)?.[0] ?? 0;
      const before = curve.filter(([at]) => at <= trigger - ERROR_MS);
      expect(Math.max(...before.map(([, value]) => value))).toBeGreaterThan(5);
      expect(fell).toBeGreaterThanOrEqual((begins?.at ?? 0) - ERROR_MS);
      expect(Math.abs(fell - end)).toBeLessThanOrEqual(2 * ERROR_MS);
      expect(curve.at(-1)?.[1]).toBe(0);
      expect(curve.filter(([at, value]) => at > end + ERROR_MS && value !== 0)).toEqual([]);

      const online = await panels.marks('instances', 'Online');
      const [mark] = online.filter(({ tags }) => tags.includes(hosts[2] ?? ''));
      expect(Math.abs((mark?.at ?? 0) - came)).toBeLessThanOrEqual(ERROR_MS);

      const lane = (await panels.curves('instances', LANES))[instance] ?? [];
      expect(seen(lane)).toContain('draining');
      const [drain] = spansOf(await world().trace(leaver), 'drain');
      const drained = lane.filter(([, value]) => stateOf(value) === 'draining').map(([at]) => at);
      for (const at of drained) expect(Math.abs(at - (drain?.start ?? 0))).toBeLessThanOrEqual(ERROR_MS);
    } finally {
      await prometheus.close();
    }
  },
  120_000,
);

function stateOf(value: number): State | undefined {
  return (Object.keys(STATES) as State[])[value];
}

function seen(lane: readonly Point[]): readonly (State | undefined)[] {
  return [...new Set(lane.map(([, value]) => stateOf(value)))];
}
