import { connect } from 'node:net';
import { LosslessError } from '../../errors.ts';
import { sleep, systemClock } from '../../lifecycle/clock.ts';
import { AUDIENCE_HEADER, decodeGoAway } from '../../protocol/goaway.ts';
import { decodeDraining } from '../../protocol/header.ts';
import { hostPort } from '../../protocol/host-port.ts';
import type { GoAway } from '../../protocol/identity.ts';
import { Verifier } from '../../protocol/signature.ts';
import type { Instance } from '../../registry/registry.ts';
import type { Against } from './against-consumer.ts';
import { FakeConsumer, type Received } from './fake-consumer.ts';
import { Load } from './load.ts';
import { eventually, expectThat } from './rules.ts';

/** Longest wait for a step that the provider takes on its own, in milliseconds, unless `--wait` is shorter. */
const LONGEST_MS = 10_000;

/** Longest wait for the provider's liveness check of the consumer, in milliseconds. */
const ASKED_MS = 3_000;

/** How long the consumer stays busy after its ack, in milliseconds. */
const BUSY_MS = 500;

/** The instance under test. */
export interface Leaver {
  /** The process that gets SIGTERM; undefined when the user makes the instance leave. */
  readonly pid: number | undefined;
  /** Path of the requests that the command sends. */
  readonly path: string;
}

/** Plays a consumer against the one instance of a service, and makes that instance leave. */
export async function againstProvider(against: Against, { path, pid }: Leaver): Promise<void> {
  const { findings, registry, service, tell, trust, waitMs } = against;
  const followsMs = Math.min(LONGEST_MS, waitMs);
  const [instance, another] = await registry.instances(service);
  if (instance === undefined || another !== undefined)
    throw new LosslessError(
      'LOSSLESS_USAGE',
      `expected one instance of ${service} in the registry, received ${instance === undefined ? 'none' : 'several'}`,
    );
  const consumer = new FakeConsumer(against.host, trust.keys);
  await consumer.listen();
  const load = new Load(instance, path, consumer.header);
  try {
    await eventually(() => load.answered > 0, waitMs, 'expected an answer from the instance');
    await findings.try('P1', () => eventually(() => consumer.wasAsked, ASKED_MS, 'expected the request'));
    await load.beginUpload();
    if (pid === undefined) tell(`make ${instance.instanceId} leave now, for example with SIGTERM`);
    else process.kill(pid, 'SIGTERM');

    let goAway: Received | undefined;
    await findings.try('P2', async () => {
      await eventually(() => consumer.goAways.length > 0, waitMs, 'expected a GoAway');
      goAway = consumer.goAways[0];
      expectThat(
        goAway?.audience === consumer.id,
        `expected ${AUDIENCE_HEADER}: ${consumer.id}, received ${goAway?.audience}`,
      );
      expectThat(/^application\/json *(;|$)/.test(goAway.type), `expected application/json, received ${goAway.type}`);
    });
    await findings.try('P3', () => {
      const { provider } = read(goAway);
      const { instanceId, generation } = instance;
      const expected = JSON.stringify({ service, instanceId, generation, address: hostPort(instance) });
      const received = JSON.stringify({
        service: provider.service,
        instanceId: provider.instanceId,
        generation: provider.generation,
        address: provider.address,
      });
      expectThat(expected === received, `expected ${expected}, received ${received}`);
    });
    await findings.try('P4', () => {
      if (trust.keys === undefined) return;
      new Verifier(trust.keys, 'goaway', systemClock).verify(goAway?.signature, consumer.id, goAway?.body ?? '');
    });
    await findings.try('P5', () =>
      eventually(() => consumer.goAways.length > 1, followsMs, 'expected the GoAway again'),
    );
    await findings.try('P6', async () => {
      await eventually(() => load.marker !== undefined, followsMs, 'expected the draining marker');
      const named = decodeDraining(load.marker ?? '');
      expectThat(named?.instanceId === instance.instanceId, `received ${load.marker}`);
    });
    await load.end();
    await findings.try('P7', () => {
      expectThat(load.failed === undefined, `a request failed: ${load.failed}`);
    });
    await consumer.ack(followsMs);
    await findings.try('P8', () =>
      eventually(
        async () => !(await registry.instances(service)).some(({ instanceId }) => instanceId === instance.instanceId),
        followsMs,
        'expected the registry to drop the instance',
      ),
    );
    await sleep(systemClock, BUSY_MS);
    await findings.try('P9', async () => {
      const status = await load.endUpload();
      expectThat(status < 500, `received ${status}`);
    });
    load.close();
    consumer.idle();
    await findings.try('P10', () =>
      eventually(() => isRefused(instance), followsMs, 'expected the instance to refuse connections'),
    );
  } finally {
    load.close();
    consumer.close();
  }
}

/** @throws Error naming the fault */
function read(received: Received | undefined): GoAway {
  return decodeGoAway(received?.body ?? '');
}

function isRefused({ host, port }: Instance): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('error', () => resolve(true));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
}
