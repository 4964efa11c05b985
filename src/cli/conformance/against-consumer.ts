import { sleep, systemClock } from '../../lifecycle/clock.ts';
import type { Trust } from '../../plugin/trust.ts';
import { ConsumerReader } from '../../protocol/consumer-reader.ts';
import { encodeGoAway, GOAWAY_LIMIT } from '../../protocol/goaway.ts';
import { encodeDraining } from '../../protocol/header.ts';
import type { Caller } from '../../protocol/identity.ts';
import type { Registry } from '../../registry/registry.ts';
import { ANSWER_MS, type Answered, ControlPort } from './control-port.ts';
import { FakeProvider } from './fake-provider.ts';
import { eventually, expectThat, type Findings } from './rules.ts';

/** Time in which an isolated instance must get no request, in milliseconds, and number of requests that the other instance must get. */
const WATCHED_MS = 1_000;
const CALLS = 5;

const ISOLATION_MS = 60_000;

export interface Against {
  readonly registry: Registry;
  readonly service: string;
  readonly host: string;
  readonly trust: Trust;
  readonly findings: Findings;
  /** Longest wait for the program under test, in milliseconds. */
  readonly waitMs: number;
  readonly tell: (text: string) => void;
}

/** Plays two instances of a service against the consumer under test. */
export async function againstConsumer(against: Against): Promise<void> {
  const { host, registry, service } = against;
  const leaving = new FakeProvider(service, 'leaving', host);
  const staying = new FakeProvider(service, 'staying', host);
  try {
    for (const provider of [leaving, staying]) {
      await provider.listen();
      await registry.register(provider.instance);
    }
    against.tell(
      `the registry lists two instances of ${service} now, ${leaving.address} and ${staying.address}; let the consumer call ${service}`,
    );
    await play(against, leaving, staying);
  } finally {
    for (const provider of [leaving, staying]) {
      await registry.deregister(provider.instance).catch(() => {});
      provider.close();
    }
  }
}

async function play(against: Against, leaving: FakeProvider, staying: FakeProvider): Promise<void> {
  const { findings, registry, trust, waitMs } = against;
  await eventually(
    () => leaving.begun > 0 && staying.begun > 0,
    waitMs,
    'expected a request at each of the two instances',
  );
  let caller: Caller | undefined;
  await findings.try('C1', async () => {
    await eventually(() => leaving.caller !== undefined, ANSWER_MS, 'expected a `lossless-consumer` header');
    expectThat(leaving.unnamed + staying.unnamed === 0, 'the consumer sent a request without the header');
    let refusal = 'the header is malformed';
    const reader = new ConsumerReader(trust.keys, systemClock, (why) => {
      refusal = why;
    });
    caller = reader.read(leaving.caller?.header ?? '');
    expectThat(caller !== undefined, `received ${leaving.caller?.header}: ${refusal}`);
  });
  if (caller === undefined) return;
  const consumer = new ControlPort(caller, caller.host ?? leaving.caller?.address ?? '', trust);
  const goAway = (provider = leaving, more: object = {}) => ({
    body: encodeGoAway({
      provider: { ...identityOf(provider), address: provider.address },
      expiresInMs: ISOLATION_MS,
      ...more,
    }),
  });

  await findings.try('C2', async () => {
    expectStatus(await consumer.liveness(caller?.instanceId), 200);
    expectStatus(await consumer.liveness('another process'), 410);
  });
  await findings.try('C3', async () =>
    expectStatus((await consumer.post({ ...goAway(), audience: 'another process' })).status, 410),
  );
  await findings.try('C4', async () => {
    for (const body of ['no JSON', '[]', '{}', goAway(leaving, { expiresInMs: 0 }).body])
      expectStatus((await consumer.post({ body })).status, 400);
    expectStatus((await consumer.post({ body: `${' '.repeat(GOAWAY_LIMIT)}{}` })).status, 413);
  });
  await findings.try('C5', async () => {
    expectStatus((await consumer.post({ ...goAway(), headers: { 'content-type': 'text/plain' } })).status, 415);
    expectStatus((await consumer.post({ ...goAway(), headers: { origin: 'http://page.example' } })).status, 403);
  });
  await findings.try('C6', async () => {
    expectStatus((await consumer.post({ ...goAway(), signature: undefined })).status, 403);
    const signature = consumer.sign('{}');
    expectStatus((await consumer.post({ body: '{}', signature })).status, 400);
    expectStatus((await consumer.post({ body: '{}', signature })).status, 403);
  });

  leaving.holdNext();
  await eventually(() => leaving.holds, waitMs, 'expected one more request at the leaving instance');
  let first: Answered | undefined;
  let most = 0;
  await findings.try('C7', async () => {
    const answered = await consumer.post(goAway());
    expectStatus(answered.status, 200);
    const { ack } = answered;
    expectThat(ack !== undefined, 'the first line of the answer is not an ack');
    // Requests that the consumer sent before its ack may still arrive.
    most = leaving.begun + Math.max(0, ack.outstanding - leaving.inflight);
    expectThat(ack.outstanding > 0, 'the ack does not count the outstanding request');
    first = answered;
  });
  await findings.try('C8', () => staysAway(leaving, staying, waitMs, () => most));
  await findings.try('C9', async () => {
    const again = await consumer.post(goAway(leaving, { later: { version: 9 } }));
    expectThat(again.ack !== undefined, `received ${again.status} without an ack`);
    again.hangUp();
  });
  await findings.try('C10', async () => {
    expectThat(first !== undefined, 'the consumer sent no ack');
    expectThat(!first.isOver, 'the consumer ended its answer while a request was outstanding');
    leaving.release();
    const idle = await Promise.race([first.idle, sleep(systemClock, ANSWER_MS)]);
    expectThat(idle !== undefined, `the consumer sent no idle line within ${ANSWER_MS} ms`);
    expectThat(idle.addresses.includes(staying.address), `the idle line lacks ${staying.address}`);
    expectThat(
      !idle.addresses.includes(leaving.address),
      `the idle line names ${leaving.address}, the leaving instance`,
    );
  });
  leaving.release();

  const old = goAway();
  await findings.try('C11', async () => {
    leaving.restart();
    await registry.register(leaving.instance);
    const before = leaving.begun;
    await eventually(() => leaving.begun > before, waitMs, 'expected a request at the newer generation');
  });
  await findings.try('C12', async () => {
    const answered = await consumer.post(old);
    answered.hangUp();
    const before = leaving.begun + CALLS;
    await eventually(() => leaving.begun > before, waitMs, 'expected further requests at the newer generation');
  });
  await findings.try('C13', async () => {
    staying.marker = encodeDraining(identityOf(staying), ISOLATION_MS);
    const before = staying.begun;
    await eventually(() => staying.begun > before, waitMs, 'expected a request at the instance that sends the marker');
    // Requests that the consumer sent before the first marked response may still arrive.
    await sleep(systemClock, WATCHED_MS);
    await staysAway(staying, leaving, waitMs, () => staying.begun);
  });
}

function identityOf({ instance: { service, instanceId, generation } }: FakeProvider) {
  return { service, instanceId, generation };
}

/** Checks that the consumer calls `other`, and that `isolated` gets no more requests in all than `most` returns now. */
async function staysAway(
  isolated: FakeProvider,
  other: FakeProvider,
  waitMs: number,
  most: () => number,
): Promise<void> {
  const [bound, before] = [most(), other.begun + CALLS];
  await eventually(() => other.begun > before, waitMs, 'expected requests at the other instance');
  await sleep(systemClock, WATCHED_MS);
  expectThat(isolated.begun <= bound, `received ${isolated.begun - bound} requests too many`);
}

function expectStatus(status: number, expected: number): void {
  expectThat(status === expected, `expected ${expected}, received ${status}`);
}
