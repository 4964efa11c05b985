import { describe, expect, test } from 'vitest';
import { entered } from '../support/process/announced.ts';
import { lossless } from '../support/process/cli.ts';
import { operator } from '../support/process/operator.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { pause, until } from '../support/until.ts';

const world = useWorld();

const GRACE = { LOSSLESS_GRACE_PERIOD_MS: '6000', LOSSLESS_HOLD_MS: '500' };

const GRPC = new URL('../fixtures/apps/grpc.ts', import.meta.url);

async function verify(service: string): Promise<number | null> {
  const args = ['verify', '--service', service, '--since', '1h', '--url', world().collector.queryUrl];
  return (await lossless(args)).code;
}

async function consumersOf(service: Service): Promise<number> {
  const { body } = await operator(await world().controlPort(service), '/status');
  return (body as { consumers: { recent: number } }).consumers.recent;
}

describe('the last instance of a service', () => {
  test.each([3, 10, 50])('that is called %i times a second serves to its deadline and says so', async (rate) => {
    const service = await world().service('shop', { env: GRACE });
    const caller = await world().caller('http://shop/echo', rate);
    await until(async () => (await consumersOf(service)) === 1);
    const begun = performance.now();
    await world().leave(service);
    expect(performance.now() - begun).toBeGreaterThan(4_000);
    const counted = await caller.stop();
    const trace = await world().trace(service);
    expect(trace.verdict).toMatchObject({ result: 'last_instance', acked: 1, planned: 1, stranded: 1, afterAck: 0 });
    expect(trace.verdict.problems.join()).toContain('no other instance');
    expect(spansOf(trace, 'drain')[0]?.tags).toMatchObject({
      'lossless.drain.hold.reason': 'last_instance',
      'lossless.drain.result': 'timeout',
    });
    expect(await verify('shop')).toBe(1);
    // Served to the deadline: what failed is what came after.
    expect(counted.sent).toBeGreaterThan(4 * rate);
  });

  test.each([
    ['fetch', 'http://shop/echo', {}],
    ['grpc', 'lossless:///shop', { file: GRPC, kind: 'grpc-js' }],
  ])('leaves as soon as its consumers by %s have a successor, and nothing is lost', async (client, url, options) => {
    const long = { ...GRACE, LOSSLESS_GRACE_PERIOD_MS: '20000' };
    const service = await world().service('shop', { ...options, env: long });
    const caller = await world().caller(url, 20, { client });
    await until(async () => (await consumersOf(service)) === 1);
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    await world().service('shop', { ...options, env: GRACE });
    const registered = performance.now();
    await service.child.ends();
    expect(performance.now() - registered).toBeLessThan(3_000);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
    expect((await world().trace(service)).verdict).toMatchObject({ result: 'success', stranded: 0, afterAck: 0 });
    expect(await verify('shop')).toBe(0);
  });

  test('whose callers have stopped leaves at once', async () => {
    const service = await world().service('shop', { env: GRACE });
    const caller = await world().caller('http://shop/echo', 20);
    await until(async () => (await world().served(service)) > 20);
    await caller.pause();
    // The caller lives on and is silent for longer than it ever was.
    await pause(3_200);
    const begun = performance.now();
    await world().leave(service);
    expect(performance.now() - begun).toBeLessThan(1_500);
    expect((await world().trace(service)).verdict).toMatchObject({
      result: 'success',
      planned: 1,
      acked: 1,
      stranded: 0,
    });
  });
});
