import { describe, expect, test } from 'vitest';
import { began, calls, critical, ended, goaway, incomplete, quiet, warning } from '../support/observe/span-series.ts';
import { serverMissing } from '../support/servers/built.ts';
import { type RuleCase, ruleFaults } from '../support/servers/promtool.ts';

const missing = serverMissing('prometheus');
if (missing) console.warn(`skipped: ${missing}`);

const cases: Readonly<Record<string, RuleCase>> = {
  'the first GoAway ever that nobody acknowledged, its 0 not seen': {
    series: { [goaway('shop', 'till', 'timeout')]: '_x40 1x200' },
    firing: { 5: [], 11: [incomplete('shop', 'till')], 24: [incomplete('shop', 'till')], 27: [] },
  },
  'the first GoAway ever that nobody acknowledged, after its 0': {
    series: { [goaway('shop', 'till', 'timeout')]: '_x40 0 1x200' },
    firing: { 10: [], 11: [incomplete('shop', 'till')], 27: [] },
  },
  'every result but acked, gone and cancelled, told once for each consumer': {
    series: Object.fromEntries(
      ['refused', 'rejected', 'timeout', 'unreachable', 'skipped', 'acked', 'gone', 'cancelled'].map((result) => [
        goaway('shop', result, result),
        '_x40 0 1x40',
      ]),
    ),
    firing: {
      12: ['refused', 'rejected', 'timeout', 'unreachable', 'skipped'].map((consumer) => incomplete('shop', consumer)),
    },
  },
  'everybody acknowledged': {
    series: {
      [goaway('shop', 'till', 'acked')]: '_x40 0 40x80',
      [goaway('shop', 'till', 'gone')]: '_x40 0 2x80',
      [began('shop', 10)]: '_x40 0 3x80',
      [ended('shop', 'success', 10)]: '_x40 0 3x80',
      [calls('drain', 'shop', { lossless_drain_result: 'drained' })]: '_x40 0 3x80',
      [calls('deregister', 'shop', { lossless_deregister_result: 'confirmed' })]: '_x40 0 3x80',
    },
    firing: { 11: [], 16: [], 20: [], 25: [] },
  },
  'the last instance of a service that is still called, and no drain that cut anything': {
    series: {
      [ended('shop', 'last_instance', 10)]: '_x40 0 1x80',
      [calls('drain', 'shop', { lossless_drain_result: 'timeout', lossless_drain_hold_reason: 'last_instance' })]:
        '_x40 0 1x80',
    },
    firing: { 12: [critical('LosslessLastInstance', 'shop')], 27: [] },
  },
  'a balancer that did not know, and callers that kept coming': {
    series: {
      [calls('drain', 'shop', { lossless_drain_result: 'drained', lossless_drain_hold_reason: 'entry_not_told' })]:
        '_x40 0 1x80',
      [calls('drain', 'stock', { lossless_drain_result: 'drained', lossless_drain_hold_reason: 'unmanaged_caller' })]:
        '_x40 0 1x80',
      [calls('entry', 'shop', { lossless_entry_ended_by: 'not_told' })]: '_x40 0 1x80',
      [calls('entry', 'stock', { lossless_entry_ended_by: 'coming' })]: '_x40 0 1x80',
      [calls('entry', 'mail', { lossless_entry_ended_by: 'told' })]: '_x40 0 1x80',
    },
    firing: { 12: [warning('LosslessEntryNotTold', 'shop'), warning('LosslessEntryStillSending', 'stock')], 27: [] },
  },
  'a server that closes idle connections of a proxy': {
    series: {
      'lossless_idle_closed_total{service_name="shop",instance="1"}': '0x40 1+1x20 21x120',
      'lossless_idle_closed_total{service_name="mail",instance="1"}': '3x180',
    },
    firing: { 9: [], 12: [warning('LosslessKeepAliveRace', 'shop')], 40: [] },
  },
  'a status file that cannot be written, and one that could not be removed by an instance that is gone': {
    series: {
      'lossless_status_file_failing{service_name="shop",instance="1"}': '0x40 1x20 0x120',
      'lossless_status_file_failing{service_name="stock",instance="1"}': '0x40 1 stale',
      'lossless_status_file_failing{service_name="mail",instance="1"}': '0x180',
    },
    firing: {
      9: [],
      12: ['shop', 'stock'].map((service) => critical('LosslessStatusFileFailed', service)),
      40: [],
    },
  },
  'two services at once': {
    series: {
      [goaway('shop', 'till', 'timeout')]: '_x40 0 1x80',
      [goaway('stock', 'till', 'refused')]: '_x40 2x80',
      [goaway('mail', 'till', 'acked')]: '_x40 0 2x80',
      [began('shop', 10)]: '_x40 1x80',
      [began('stock', 10)]: '_x40 1x80',
      [ended('stock', 'incomplete', 10)]: '_x44 1x80',
    },
    firing: {
      12: [incomplete('shop', 'till'), incomplete('stock', 'till')],
      18: [incomplete('shop', 'till'), incomplete('stock', 'till'), critical('LosslessShutdownTruncated', 'shop')],
    },
  },
  'services of one name in two namespaces, and in two environments, are told apart': {
    series: {
      [calls('stop', 'shop', { error_type: 'forced', service_namespace: 'a' })]: '_x40 0 1x80',
      [calls('stop', 'shop', { error_type: 'forced', service_namespace: 'b' })]: '_x40 0 2x80',
      [calls('stop', 'shop', { error_type: 'forced', deployment_environment_name: 'test' })]: '_x40 0 1x80',
    },
    firing: {
      12: [
        { ...critical('LosslessRequestsCut', 'shop'), service_namespace: 'a' },
        { ...critical('LosslessRequestsCut', 'shop'), service_namespace: 'b' },
        { ...critical('LosslessRequestsCut', 'shop'), deployment_environment_name: 'test' },
      ],
    },
  },
  'a collector that starts again loses its counters, and is no event': {
    series: {
      [goaway('shop', 'till', 'timeout')]: '5x120 stale _x60 0x40',
      [began('shop', 10)]: '0x20 9x100 stale _x60 0x40',
      [ended('shop', 'incomplete', 10)]: '0x20 9x100 stale _x60 0x40',
      [began('stock', 10)]: '0x20 9x100 stale 0 2x100',
      [ended('stock', 'success', 10)]: '0x20 9x100 stale 0 2x100',
    },
    firing: { 20: [], 31: [], 34: [], 36: [], 40: [], 50: [], 55: [] },
  },
  'an event right after the collector started again': {
    series: {
      [goaway('shop', 'till', 'timeout')]: '1x120 stale 0 1x40',
      [goaway('mail', 'till', 'timeout')]: '3x120 stale _x20 1x40',
    },
    firing: { 20: [], 38: ['shop', 'mail'].map((service) => incomplete(service, 'till')) },
  },
  'an old failure is not told about again': {
    series: { [goaway('shop', 'till', 'timeout')]: '3x400' },
    firing: { 30: [], 60: [], 99: [] },
  },
  'an old failure is not told about again when a failed scrape, or a minute of them, is as old as the window': {
    series: {
      [goaway('shop', 'till', 'timeout')]: '3x103 stale 3x200',
      [goaway('stock', 'till', 'timeout')]: '3x103 stale _x3 3x200',
    },
    firing: quiet(38, 50),
  },
  'one more failure of a service that failed before': {
    series: { [goaway('shop', 'till', 'timeout')]: '3x120 4x200' },
    firing: { 29: [], 31: [incomplete('shop', 'till')], 50: [] },
  },
  'files that wait for a quarter of an hour, not those of a short gap': {
    series: {
      'lossless_spool_files{service_name="shop"}': '0x40 3x200',
      'lossless_spool_files{service_name="stock"}': '0x40 3x20 0x200',
      'lossless_spool_files{service_name="new"}': '_x40 3x20',
    },
    firing: { 12: [], 20: [], 27: [warning('LosslessTelemetrySpooled', 'shop')] },
  },
  'a drain that timed out, a registry that did not confirm, requests after an ack': {
    series: {
      [calls('drain', 'shop', { lossless_drain_result: 'timeout' })]: '_x40 0 1x80',
      [calls('drain', 'shop', { lossless_drain_result: 'drained' })]: '_x40 0 4x80',
      [calls('deregister', 'stock', { lossless_deregister_result: 'unconfirmed' })]: '_x40 1x80',
      [calls('deregister', 'mail', { lossless_deregister_result: 'failed' })]: '_x40 1x80',
      [calls('deregister', 'cart', { lossless_deregister_result: 'none' })]: '_x40 1x80',
      [ended('cart', 'success', 10, { lossless_requests_after_ack: '12' })]: '_x40 1x80',
      [ended('mail', 'success', 10)]: '_x40 1x80',
    },
    firing: {
      12: [
        warning('LosslessDrainTimedOut', 'shop'),
        warning('LosslessDeregistrationNotConfirmed', 'stock'),
        warning('LosslessDeregistrationNotConfirmed', 'mail'),
        critical('LosslessRequestsAfterAck', 'cart'),
      ],
    },
  },
  'requests that were cut at the deadline or came as the instance stopped, and a stop that failed otherwise or not at all':
    {
      series: {
        [calls('stop', 'shop', { error_type: 'forced' })]: '_x40 0 2x80',
        [calls('stop', 'stock', { error_type: 'reset' })]: '_x40 0 1x80',
        [calls('stop', 'cart', { error_type: 'Error' })]: '_x40 0 1x80',
        [calls('stop', 'cart')]: '_x40 0 4x80',
      },
      firing: { 12: [critical('LosslessRequestsCut', 'shop'), critical('LosslessRequestsReset', 'stock')], 27: [] },
    },
};

describe.skipIf(missing)('promtool on the generated rules', () => {
  test.each(Object.entries(cases))('%s', async (_, each) => {
    expect(await ruleFaults(each)).toBe('');
  });

  test('a wrong expectation is seen', async () => {
    const faults = await ruleFaults({
      series: { [goaway('shop', 'till', 'timeout')]: '_x40 1x200' },
      firing: { 11: [incomplete('stock', 'till')] },
    });
    expect(faults).toContain('LosslessFanOutIncomplete');
  });
});
