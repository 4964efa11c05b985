import { describe, expect, test } from 'vitest';
import {
  calls,
  critical,
  ended,
  goaway,
  incomplete,
  instance,
  quiet,
  shutdownSeries,
  warning,
} from '../support/observe/span-series.ts';
import { serverMissing } from '../support/servers/built.ts';
import { type RuleCase, ruleFaults } from '../support/servers/promtool.ts';

const missing = serverMissing('prometheus');
if (missing) console.warn(`skipped: ${missing}`);

/** The shutdowns of `count` instances, a quarter of a minute apart. */
const rolled = (service: string, count: number) =>
  shutdownSeries(
    service,
    Array.from({ length: count }, (_, n) => ({ begins: 10 + n / 4 })),
    200,
  );
/** Instances that are scraped until minute 10, a quarter of a minute longer each. */
const scraped = (service: string, count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, n) => [instance(service, `10.0.0.${n}:54199`), `1x${40 + n} stale`]),
  );
const drained = (result: string, reason: string) =>
  calls('drain', 'shop', { lossless_drain_result: result, lossless_drain_hold_reason: reason });
const one = '_x40 1x200';

/** What operators met, and what they should be told; nothing else. */
const scenarios: Readonly<Record<string, RuleCase>> = {
  'consumer hangs': {
    series: {
      ...rolled('shop', 1),
      [goaway('shop', 'till', 'timeout')]: one,
      [drained('timeout', 'goaway_failed')]: one,
    },
    firing: { 12: [incomplete('shop', 'till'), warning('LosslessDrainTimedOut', 'shop')], 27: [] },
  },
  'consumer refuses, connection open and silent': {
    series: { ...rolled('shop', 1), [goaway('shop', 'till', 'refused')]: one },
    firing: { 12: [incomplete('shop', 'till')] },
  },
  'consumer refuses, busy': {
    series: { ...rolled('shop', 1), [goaway('shop', 'till', 'refused')]: one, [goaway('shop', 'till', 'acked')]: one },
    firing: { 12: [incomplete('shop', 'till')] },
  },
  'consumer refuses, connection closed long ago': {
    series: {
      ...rolled('shop', 1),
      [goaway('shop', 'till', 'refused')]: one,
      [drained('drained', 'goaway_failed')]: one,
    },
    firing: { 12: [incomplete('shop', 'till')] },
  },
  'consumer answers 403': {
    series: {
      ...rolled('shop', 1),
      [goaway('shop', 'till', 'rejected')]: one,
      [drained('timeout', 'goaway_failed')]: one,
    },
    firing: { 12: [incomplete('shop', 'till'), warning('LosslessDrainTimedOut', 'shop')] },
  },
  'consumer had ended': {
    series: { ...rolled('shop', 1), [goaway('shop', 'till', 'gone')]: one },
    firing: quiet(10, 40),
  },
  'provider and consumer leave at once': {
    series: {
      ...rolled('shop', 7),
      ...rolled('till', 7),
      ...scraped('shop', 7),
      ...scraped('till', 7),
      [goaway('shop', 'till', 'gone')]: '_x40 4x200',
      [goaway('shop', 'till', 'acked')]: '_x40 3x200',
    },
    firing: quiet(10, 100),
  },
  'last instance, caller at 3 to 10 req/s': {
    series: { [ended('shop', 'last_instance', 10)]: one, [drained('timeout', 'last_instance')]: one },
    firing: { 12: [critical('LosslessLastInstance', 'shop')] },
  },
  'last instance, 30 req/s': {
    series: {
      [ended('shop', 'last_instance', 10, { lossless_requests_after_ack: '41' })]: one,
      [drained('timeout', 'last_instance')]: one,
    },
    firing: { 12: [critical('LosslessLastInstance', 'shop'), critical('LosslessRequestsAfterAck', 'shop')] },
  },
  'SIGTERM, SIGKILL 1.2 s later': {
    series: {
      ...shutdownSeries('shop', [{ begins: 10, ends: 'never' }], 200),
      ...scraped('shop', 1),
    },
    firing: { ...quiet(10, 16), 18: [critical('LosslessShutdownTruncated', 'shop')], 33: [] },
  },
  'SIGKILL alone': {
    series: scraped('shop', 1),
    firing: {
      19: [],
      22: [critical('LosslessShutdownsUnseen', 'shop')],
      79: [critical('LosslessShutdownsUnseen', 'shop')],
      82: [],
    },
  },
  'crash loop before ready, 3 x SIGTERM': {
    series: {
      [calls('offline.started', 'shop', { lossless_offline_due: '2' })]: '_x40 0 1 2 3x200',
      [ended('shop', 'never_ready', 10)]: '_x40 0 1 2 3x200',
    },
    firing: quiet(10, 60),
  },
  'collector away, spool read by nobody': {
    series: scraped('shop', 3),
    firing: { 19: [], 23: [critical('LosslessShutdownsUnseen', 'shop')] },
  },
  'one vanishes unseen in production, while another of that name is seen to leave in staging': {
    series: {
      [instance('shop', '10.0.0.1:54199', { service_namespace: 'eu', deployment_environment_name: 'production' })]:
        '1x40 stale',
      [instance('shop', '10.0.0.2:54199', { service_namespace: 'eu', deployment_environment_name: 'staging' })]:
        '1x40 stale',
      [calls('offline.started', 'shop', { service_namespace: 'eu', deployment_environment_name: 'staging' })]: one,
      [calls('offline', 'shop', {
        service_namespace: 'eu',
        deployment_environment_name: 'staging',
        lossless_offline_result: 'success',
      })]: one,
    },
    firing: {
      19: [],
      22: [
        {
          ...critical('LosslessShutdownsUnseen', 'shop'),
          service_namespace: 'eu',
          deployment_environment_name: 'production',
        },
      ],
    },
  },
  'span metrics not scraped, 1 h': {
    series: {},
    scraped: '1x280 0x240 1x400',
    firing: {
      10: [],
      17: [{ alertname: 'LosslessSpanMetricsDown', severity: 'critical', instance: 'jaeger' }],
      69: [{ alertname: 'LosslessSpanMetricsDown', severity: 'critical', instance: 'jaeger' }],
      72: [],
    },
  },
  'no scrape job of the span metrics at all': {
    series: {},
    scraped: '_x1000',
    firing: { 10: [{ alertname: 'LosslessSpanMetricsDown', severity: 'critical', job: 'lossless' }] },
  },
  '1 % tail sampling before Jaeger, 100 failures': {
    series: { ...rolled('shop', 1), ...scraped('shop', 100), [goaway('shop', 'till', 'timeout')]: one },
    firing: { 12: [incomplete('shop', 'till')], 48: [critical('LosslessShutdownsUnseen', 'shop')] },
  },
  'Jaeger restarts': {
    series: {
      [goaway('shop', 'till', 'timeout')]: '5x120 stale _x60 0x40',
      [calls('offline.started', 'shop', { lossless_offline_due: '2' })]: '9x120 stale _x60 0x40',
      [ended('shop', 'incomplete', 10)]: '9x120 stale _x60 0x40',
    },
    firing: quiet(16, 60),
  },
  'fresh Prometheus, failure of 20 h ago': {
    series: {
      [goaway('shop', 'till', 'timeout')]: '1x400',
      [ended('shop', 'last_instance', 10)]: '1x400',
      [ended('mail', 'killed', 10)]: '1x400',
      [drained('timeout', 'none')]: '1x400',
    },
    scraped: 'fresh',
    firing: quiet(0, 90),
  },
  'fresh Prometheus, and then a failure': {
    series: { [goaway('shop', 'till', 'timeout')]: '1x20 2x400' },
    scraped: 'fresh',
    firing: { 4: [], 6: [incomplete('shop', 'till')], 30: [] },
  },
  'Prometheus away for 20 minutes, failure before': {
    series: { [goaway('shop', 'till', 'timeout')]: '1x40 _x80 1x400' },
    scraped: '1x280 _x80 1x800',
    // promtool runs meanwhile.
    firing: quiet(31, 90),
  },
  'one in 20 killed, steady churn': {
    series: shutdownSeries(
      'shop',
      Array.from({ length: 240 }, (_, n) => ({ begins: n / 2, ends: n % 20 === 3 ? 'never' : n / 2 + 0.5 })),
      200,
    ),
    firing: {
      10: [critical('LosslessShutdownTruncated', 'shop')],
      110: [critical('LosslessShutdownTruncated', 'shop')],
    },
  },
  '30 rolled, third killed': {
    series: shutdownSeries(
      'shop',
      Array.from({ length: 30 }, (_, n) => ({ begins: n / 3, ends: n === 2 ? 'never' : n / 3 + 0.5 })),
      200,
    ),
    firing: {
      8: [critical('LosslessShutdownTruncated', 'shop')],
      10: [critical('LosslessShutdownTruncated', 'shop')],
      24: [],
    },
  },
  '8 min shutdown, 10 min grace': {
    series: shutdownSeries('shop', [{ begins: 10, deadline: 20, ends: 18 }], 200),
    firing: quiet(10, 60),
  },
};

describe.skipIf(missing)('alerts for operators', () => {
  test.each(Object.entries(scenarios))('%s', async (_, scenario) => {
    expect(await ruleFaults(scenario)).toBe('');
  });
});
