import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { STATES, type State } from '../../src/lifecycle/transitions.ts';
import { type Numbers, OF_INSTANCES, PanelReader } from '../support/observe/panel-reader.ts';
import { controlPortOf, entered } from '../support/process/announced.ts';
import { holdRequest } from '../support/process/held-request.ts';
import { type Service, useWorld } from '../support/process/world.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Prometheus } from '../support/servers/prometheus.ts';
import { until } from '../support/until.ts';

const missing = serverMissing('prometheus');
if (missing) console.warn(`skipped: ${missing}`);

const world = useWorld();

/** The number that stands for a state. */
function lane(state: State): number {
  return Object.keys(STATES).indexOf(state);
}

/** An instance has no more series than docs/dashboards.md says. */
async function withinBudget(
  url: string,
  services: { readonly callers: number; readonly called: number },
): Promise<void> {
  const page = readFileSync(new URL('../../docs/dashboards.md', import.meta.url), 'utf8');
  const [, most] = /at most (\d+), and 1 for each service that calls it and 2 for each that it calls/.exec(page) ?? [];
  const lines = (await (await fetch(url)).text()).split('\n');
  const series = lines.filter((line) => /^lossless_/.test(line) && !line.startsWith('lossless_pick_share'));
  expect(series.length).toBeLessThanOrEqual(Number(most) + services.callers + 2 * services.called);
}

async function hostOf({ child }: Pick<Service, 'child'>): Promise<string> {
  const port = await controlPortOf(child);
  return `127.0.0.1:${port}`;
}

test.skipIf(missing)(
  'what the panels of instances show of a real run is what happened',
  async () => {
    const begun = Date.now();
    const hold = { LOSSLESS_HOLD_MS: '0', LOSSLESS_WARMUP_MS: '60000', LOSSLESS_HEALTH_PATHS: '/health' };
    const providers = [
      await world().service('provider', { env: { ...hold, LOSSLESS_WARMUP_MS: '100' } }),
      await world().service('provider', { env: { ...hold, LOSSLESS_WARMUP_MS: '100' } }),
      await world().service('provider', { env: hold }),
    ] as const;
    const caller = await world().caller('http://provider/echo', 60, { env: hold });
    const [first, second, warming] = [
      await hostOf(providers[0]),
      await hostOf(providers[1]),
      await hostOf(providers[2]),
    ];
    const prometheus = await Prometheus.start({
      metricsUrls: [`${world().collector.queryUrl}/metrics`],
      instanceUrls: [first, second, warming, await hostOf(caller)].map((host) => `http://${host}/metrics`),
      scrapeInterval: '500ms',
      evaluationInterval: '1s',
    });
    try {
      for (let n = 0; n < 5; n++)
        await fetch(`http://127.0.0.1:${providers[1].port}/echo`, { method: 'POST', body: 'x' });
      const held = await holdRequest(providers[0]);
      const asked = async (expr: string) => (await prometheus.query(expr))[0]?.value;
      // An increase is one between two scrapes of an instance.
      await until(async () => (await asked('count(count_over_time(lossless_idle_closed_total[1m]) >= 2)')) === 4);
      await until(async () => (await asked(`lossless_requests_total{instance="${second}",caller="unmanaged"}`)) === 5);
      const panels = new PanelReader({
        prometheus,
        jaegerUrl: '',
        services: ['provider', 'caller'],
        from: begun,
        get to() {
          return Date.now();
        },
      });
      const own = (title: string): Promise<Numbers> => panels.numbers('instances', title);
      expect([...(await panels.choices('instances', 'instance'))].sort()).toEqual(
        [first, second, warming, await hostOf(caller)].sort(),
      );
      expect(await own('Ready')).toEqual({ provider: 3, caller: 0 });
      await until(async () => ((await own('In flight'))[first] ?? 0) >= 1);
      await until(async () => ((await own('Connections of callers without the plugin'))[first] ?? 0) >= 1);
      expect(Object.keys(await own('Idle connections closed')).sort()).toEqual(['caller', 'provider']);
      await until(async () => {
        await fetch(`http://127.0.0.1:${providers[1].port}/health`);
        return Object.values(await own('Health checks')).some((perSecond) => perSecond > 0);
      });
      expect(await own('Recent consumers')).toEqual(
        Object.fromEntries([first, second, warming].map((host) => [`${host}: caller`, 1])),
      );
      expect(await own('State of each instance')).toMatchObject({
        [first]: lane('serving'),
        [warming]: lane('warming'),
      });
      expect(await panels.numbers('starts', 'Weight of warming instances')).toMatchObject({
        [`provider ${first}`]: 1,
        [`provider ${warming}`]: expect.closeTo(0.1, 1),
      });
      await until(async () => {
        const share = await panels.numbers('starts', 'Share of the requests by instance');
        return Math.abs((share[`provider ${second}`] ?? 0) - 1 / 3) < 0.1;
      });
      await until(async () => {
        const rates = Object.values(await own('Requests by instance, as scraped'));
        return Math.abs(rates.reduce((sum, rate) => sum + rate, 0) - 60) < 15;
      });

      await withinBudget(`http://${second}/metrics`, { callers: 1, called: 0 });
      await withinBudget(`http://${await hostOf(caller)}/metrics`, { callers: 0, called: 1 });

      providers[0].child.signal('SIGTERM');
      await entered(providers[0].child, 'draining');
      await until(async () => (await asked(`lossless_state{instance="${first}",state="draining"}`)) === 1);
      await until(async () => (await own('Requests by instance, as scraped'))[`provider ${first}`] === 0);
      expect(await own('State of each instance')).toMatchObject({ [first]: lane('draining') });
      expect(await own('GoAways received')).toMatchObject({ isolated: 1, forbidden: 0 });
      expect(await own('Isolated instances')).toMatchObject({ [await hostOf(caller)]: 1 });
      expect(await own('Panic picks')).toEqual({ provider: 0 });
      expect(Object.keys(await own('Largest shares of picks'))).toHaveLength(2);
      expect(Object.keys(await own('Traffic of each instance, as they leave and come'))).toContain(
        `provider ${second}`,
      );
      expect((await own('Requests of unmanaged callers'))['provider']).toBeGreaterThanOrEqual(5);
      expect(await held.letGo()).toBe(200);
      await providers[0].child.ends();

      expect(await panels.numbers('telemetry', 'Spooled files')).toEqual({ provider: 0, caller: 0 });
      expect(await panels.numbers('telemetry', 'Spooled bytes')).toEqual({ provider: 0, caller: 0 });
      await until(async () => (await panels.numbers('telemetry', 'Instances that vanished unseen'))['provider'] === 0);
      const outcomes = await panels.numbers('telemetry', 'Spans of instances by outcome');
      expect(outcomes).toMatchObject({ lost: 0, spooled: 0 });
      expect((await caller.stop()).failed).toBe(0);
      expect(panels.unasked.filter((panel) => OF_INSTANCES.test(panel))).toEqual([]);
    } finally {
      await prometheus.close();
    }
  },
  120_000,
);
