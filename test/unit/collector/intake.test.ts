import { expect, test } from 'vitest';
import { Intake } from '../../../collector/server/intake.ts';
import { decodeOtlp, type SpanGroup } from '../../../collector/server/otlp.ts';
import { Store } from '../../../collector/server/store.ts';
import { shutdownBodies } from '../../support/observe/otlp.ts';

/** A store that counts its transactions and refuses the spans of one service. */
class CountingStore extends Store {
  transactions = 0;

  override add(groups: readonly SpanGroup[]): readonly SpanGroup[] {
    this.transactions++;
    if (groups.some(({ origin }) => origin.service === 'refused')) throw new Error('the disk is full');
    return super.add(groups);
  }
}

function setUp() {
  const store = new CountingStore({ path: ':memory:', maxAgeMs: 1e15, maxBytes: 2 ** 28 });
  const added: string[] = [];
  const intake = new Intake(store, (groups) =>
    added.push(...groups.flatMap(({ spans }) => spans.map(({ name }) => name))),
  );
  const groupsOf = (service: string, consumers = 0) =>
    shutdownBodies(service, consumers).bodies.flatMap((body) => decodeOtlp(body, 'json').groups);
  return { store, added, intake, groupsOf };
}

test('requests of one turn are kept in one transaction, and each is answered when it can be found', async () => {
  const { store, added, intake, groupsOf } = setUp();
  const [first, ...others] = Array.from({ length: 20 }, () => groupsOf('shop'));
  const kept = [first ?? [], ...others].map((groups) => intake.add(groups));
  expect(store.transactions).toBe(0);
  await kept[0];
  expect(store.transactions).toBe(1);
  expect(store.traces([first?.[0]?.spans[0]?.traceId ?? ''])).toHaveLength(1);
  await Promise.all(kept);
  await intake.add(first ?? []);
  expect(store.transactions).toBe(2);
  expect(added.filter((name) => name === 'lossless.offline')).toHaveLength(20);
});

test('a request that cannot be stored is refused alone', async () => {
  const { store, added, intake, groupsOf } = setUp();
  const answers = await Promise.allSettled(['a', 'refused', 'b'].map((service) => intake.add(groupsOf(service))));
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(answers[1]).toMatchObject({
    reason: { status: 503, message: 'the spans cannot be stored: the disk is full' },
  });
  expect(store.services()).toEqual(['a', 'b']);
  expect(added.filter((name) => name === 'lossless.offline')).toHaveLength(2);
});

test('very many spans do not wait for the end of the turn', async () => {
  const { store, intake, groupsOf } = setUp();
  const kept = [groupsOf('many', 2_600), groupsOf('more')].map((groups) => intake.add(groups));
  expect(store.transactions).toBe(1);
  await Promise.all(kept);
  expect(store.transactions).toBe(2);
});
