import { describe, expect, test } from 'vitest';
import type { WorkRecord } from '../../../src/lifecycle/records.ts';
import { attributesOf, resourceOf } from '../../../src/trace/attributes.ts';
import { ATTRIBUTES, SPANS } from '../../../src/trace/model/schema.ts';

const ids = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };

describe('the attributes of a record on its span', () => {
  test.each<[string, WorkRecord, object]>([
    [
      'names are those of the schema, and a duration is in seconds',
      { kind: 'started', at: 0, work: 'offline', ids, facts: { trigger: 'SIGTERM', gracePeriodMs: 30_500 } },
      { 'lossless.offline.trigger': 'SIGTERM', 'lossless.grace_period': 30.5 },
    ],
    [
      'the same fact of another work is another attribute, and a moment stays in milliseconds',
      { kind: 'ended', at: 0, work: 'drain', ids, facts: { result: 'drained', requestsSince: 1_700_000_000_000 } },
      { 'lossless.drain.result': 'drained', 'lossless.traffic.since': 1_700_000_000_000 },
    ],
    [
      'unknown facts are left out',
      { kind: 'ended', at: 0, work: 'deregister', ids, facts: { result: 'none', listedAfter: undefined } },
      { 'lossless.deregister.result': 'none' },
    ],
    [
      'the other side has its older name too',
      { kind: 'ended', at: 0, work: 'notify.service', ids, facts: { consumerService: 'cart' } },
      { 'service.peer.name': 'cart', 'peer.service': 'cart' },
    ],
    [
      'a failure has a type',
      { kind: 'ended', at: 0, work: 'stop', ids, facts: {}, failure: { type: 'forced', message: '1 was cut' } },
      { 'error.type': 'forced' },
    ],
  ])('%s', (_, record, attributes) => {
    expect(attributesOf(record)).toEqual(attributes);
  });
});

test('the facts in milliseconds are those whose attributes are in seconds', () => {
  const facts = Object.values(SPANS).flatMap(({ attributes }) => Object.entries<keyof typeof ATTRIBUTES>(attributes));
  for (const [fact, attribute] of facts)
    expect([attribute, fact.endsWith('Ms')]).toEqual([attribute, /\bin seconds\b/.test(ATTRIBUTES[attribute].doc)]);
});

test('the resource keeps the id that the user gives, and no other name of the service', () => {
  const identity = { service: 'cart', instanceId: 'ours', generation: 1 };
  expect(resourceOf(identity, {})).toEqual({ 'service.name': 'cart', 'service.instance.id': 'ours' });
  expect(resourceOf(identity, { 'service.name': 'basket', 'service.instance.id': 'theirs' })).toEqual({
    'service.name': 'cart',
    'service.instance.id': 'theirs',
  });
});
