import { expect, test } from 'vitest';
import { statusLines } from '../../../src/cli/status-lines.ts';
import type { Status } from '../../../src/status.ts';

const NOW = Date.parse('2026-01-31T12:00:00Z');

const SERVING: Status = {
  service: 'service-b',
  instanceId: 'host:7:abc',
  generation: 1,
  state: 'serving',
  since: '2026-01-31T11:00:00Z',
  waitsFor: 'nothing',
  ready: true,
  registry: { type: 'consul', address: '10.0.0.1:8500', listed: true },
  address: '10.0.0.7:8080',
  weight: 1,
  requests: { started: 411, inflight: 2, unmanaged: 1 },
  tasks: {},
  consumers: { recent: 3, services: { 'service-a': 1, frontend: 2 }, overflowed: 0 },
  unmanaged: { connections: 0, idleClosed: 0, checks: { good: 0, failing: 0 }, statusFileFailing: false },
  online: { traceId: 'aa' },
  offline: undefined,
  calls: {
    services: {},
    isolated: 0,
    goAways: { isolated: 0, unused: 0, invalid: 0, forbidden: 0, gone: 0, self: 0 },
    markers: 0,
  },
  telemetry: { exported: 6, spooled: 0, lost: 0 },
};

function shown(status: Partial<Status>): string {
  return statusLines({ ...SERVING, ...status }, NOW).join('\n');
}

test('an instance that serves', () => {
  expect(shown({})).toBe(`instance   service-b host:7:abc
state      serving for 60 min, ready
waits for  nothing
weight     100 %
address    10.0.0.7:8080
registry   consul 10.0.0.1:8500, listed
requests   2 in flight, 411 so far, 1 of them from callers without the plugin
consumers  3 recent
           service-a  1
           frontend   2
calls      0 services, 0 instances isolated
online     trace aa
telemetry  6 spans sent, 0 spooled, 0 lost`);
});

test('a leaving instance names the failed consumers and its trace', () => {
  const offline = {
    traceId: 'bb',
    url: 'http://jaeger/trace/bb',
    planned: 3,
    acked: 2,
    idle: 1,
    failed: 1,
    gone: 0,
    stranded: 0,
  };
  expect(shown({ offline })).toContain(`
offline    2 of 3 consumers acked, 1 idle, 1 failed
           http://jaeger/trace/bb
telemetry`);
});

test('a calling instance names its services, the ages of their lists, and why it avoids instances', () => {
  const instance = { instanceId: 'x', generation: 1, share: 0.25, isolated: false, outstanding: 0 };
  const instances = [
    { ...instance, address: '10.0.0.8:80', zone: 'eu-1' },
    { ...instance, address: '10.0.0.10:8080', zone: undefined, isolated: true, outstanding: 12 },
  ];
  const calls: Status['calls'] = {
    services: {
      stock: { instances, panicPicks: 0, listAgeMs: 3_000 },
      audit: { instances: [], panicPicks: 1, listAgeMs: 300_000 },
      mail: { instances: [], panicPicks: 0, listAgeMs: undefined },
    },
    isolated: 1,
    goAways: { isolated: 1, unused: 0, invalid: 0, forbidden: 2, gone: 0, self: 0 },
    markers: 1,
  };
  expect(shown({ calls })).toContain(`
calls      3 services, 1 instance isolated
           stock, list from 3 s ago
             10.0.0.8:80     eu-1      25 %   0 outstanding
             10.0.0.10:8080     -  isolated  12 outstanding
           audit, list from 5 min ago, no instance, 1 request to isolated instances because there was no other
           mail, no list yet, no instance
GoAways    1 isolated, 2 forbidden, 1 draining marker
`);
});

test('a failing registry, with control characters removed from its message', () => {
  const failing = { since: '2026-01-31T11:59:48Z', message: 'answered 500: \u001b[2J' };
  expect(shown({ registry: { ...SERVING.registry, listed: false, failing } })).toContain(`
registry   consul 10.0.0.1:8500, not listed
           failing for 12 s: answered 500: \ufffd[2J
`);
});
