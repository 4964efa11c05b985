import { once } from 'node:events';
import { connect } from 'node:http2';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { waterfall } from '../../src/cli/waterfall.ts';
import { BegunStreams } from '../support/fakes/begun-streams.ts';
import { DelayProxy } from '../support/fakes/delay-proxy.ts';
import { startConnect, startGrpcJs, startWatch } from '../support/grpc/clients.ts';
import { operator } from '../support/process/operator.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const SERVER = new URL('../fixtures/apps/grpc.ts', import.meta.url);

const world = useWorld();

function instance(kind: string, env: Readonly<Record<string, string>> = {}): Promise<Service> {
  return world().service('echo', { file: SERVER, kind, env: { LOSSLESS_HOLD_MS: '1500', ...env } });
}

describe('callers of gRPC without the plugin lose no call when an instance leaves', () => {
  test.each([
    ['grpc-js', 'say', 5, 100],
    ['grpc-js', 'say', 300, 50],
    ['grpc-js', 'repeat', 1_000, 20],
    ['connect', 'say', 5, 100],
    ['nest', 'say', 300, 50],
    ['nest', 'repeat', 1_000, 20],
  ] as const)('%s, %s of %i ms, %i a second, a list of two addresses', async (kind, method, ms, perSecond) => {
    const [leaving, staying] = [await instance(kind), await instance(kind)];
    const load = startGrpcJs({ method, ms, perSecond, ports: [leaving.port, staying.port] });
    await until(async () => (await world().served(leaving)) > 10);
    await world().leave(leaving);
    const { verdict, ...trace } = await world().trace(leaving);
    const { failed } = await load.stop();
    expect(failed).toEqual([]);
    expect(verdict).toMatchObject({ result: 'success', whole: true });
    expect(spansOf(trace, 'stop')[0]?.tags).toMatchObject({ 'lossless.stop.sockets.forced': 0 });
  });

  test.each(['say', 'repeat'] as const)('grpc-js over TLS, %s, a list of two addresses', async (method) => {
    const secured = () =>
      world().service('echo', { file: SERVER, kind: 'grpc-js', args: ['true'], env: { LOSSLESS_HOLD_MS: '1500' } });
    const [leaving, staying] = [await secured(), await secured()];
    const ports = [leaving.port, staying.port];
    const load = startGrpcJs({ method, ms: 100, perSecond: 50, ports, isSecure: true });
    await until(async () => (await world().served(leaving)) > 10);
    await world().leave(leaving);
    const { verdict } = await world().trace(leaving);
    expect((await load.stop()).failed).toEqual([]);
    expect(verdict).toMatchObject({ result: 'success', whole: true });
  });

  test.each(['say', 'repeat'] as const)('Connect, %s, one address', async (method) => {
    const [leaving, staying] = [await instance('connect'), await instance('connect')];
    const proxy = await DelayProxy.start(10);
    onTestFinished(() => proxy.close());
    const begun = new BegunStreams();
    proxy.onConnection = () => begun.connection();
    proxy.target = leaving.port;
    const ms = method === 'say' ? 5 : 500;
    const load = startConnect({ method, ms, perSecond: 100, ports: [proxy.port] });
    await until(async () => (await world().served(leaving)) > 50);
    // The front gives new connections to an instance in service.
    proxy.target = staying.port;
    await world().leave(leaving);
    const { verdict } = await world().trace(leaving);
    await pause(200);
    const { failed, ok, sent } = await load.stop();
    // What the client had queued when it was asked it has not sent, and refuses itself (races R36).
    expect(ok).toBe(begun.count);
    expect(failed.filter(({ reason }) => !reason.includes('REFUSED_STREAM'))).toEqual([]);
    expect(ok + failed.length).toBe(sent);
    expect(verdict).toMatchObject({ result: 'success', whole: true });
  });
});

describe('a stream that outlives its instance', () => {
  /** A grace period whose drain ends after four seconds and a half. */
  const SHORT = { LOSSLESS_GRACE_PERIOD_MS: '6000' };

  /** Calls that would last a minute, each of which ends with the status of an instance that leaves. */
  async function outlived(leaving: Service, method: 'repeat' | 'say') {
    const load = startGrpcJs({ method, ms: 60_000, perSecond: 20, ports: [leaving.port] });
    await until(async () => (await world().served(leaving)) >= 5);
    const counting = load.stop();
    await world().leave(leaving);
    const { sent, failed } = await counting;
    expect(failed.map(({ reason }) => reason)).toEqual(new Array(sent).fill('UNAVAILABLE the instance is leaving'));
    const { verdict, ...trace } = await world().trace(leaving);
    return { sent, verdict, trace };
  }

  test.each([
    ['grpc-js', SHORT],
    ['connect', SHORT],
    ['nest', SHORT],
    ['grpc-js', { LOSSLESS_STREAM_MS: '200' }],
  ])('of %s ends with a status that says so, with %o', async (kind, env) => {
    const leaving = await instance(kind, env);
    const { sent, verdict, trace } = await outlived(leaving, 'repeat');
    expect(verdict).toMatchObject({ result: 'success', whole: true });
    expect(spansOf(trace, 'stop')[0]?.tags).toMatchObject({
      'lossless.stop.sockets.forced': 0,
      'lossless.stop.streams.ended': sent,
    });
    const shown = waterfall(trace, { width: 120, color: false }).join('\n');
    expect(shown).toMatch(/^ {2}drain .* drained .* sessions retired: 1$/m);
    expect(shown).toMatch(new RegExp(`^ {2}stop .* streams ended: ${sent}$`, 'm'));
  });

  test('a call without an answer ends with a status too, and is lost', async () => {
    const leaving = await instance('grpc-js', SHORT);
    const { verdict, trace } = await outlived(leaving, 'say');
    expect(verdict).toMatchObject({ result: 'timeout', whole: true });
    expect(spansOf(trace, 'stop')[0]?.tags).toMatchObject({ 'lossless.stop.sockets.forced': 1 });
  });

  test('of another protocol is cut with an error, so that its client does not take a part for the whole', async () => {
    const leaving = await world().service('provider', { kind: 'h2c', env: SHORT });
    const session = connect(`http://127.0.0.1:${leaving.port}`);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ':path': '/stream' }).resume();
    await once(stream, 'response');
    const failed = once(stream, 'error');
    await world().leave(leaving);
    expect(await failed).toMatchObject([{ message: expect.stringContaining('NGHTTP2_INTERNAL_ERROR') }]);
    expect((await world().trace(leaving)).verdict).toMatchObject({ result: 'timeout', whole: true });
  });

  test('that watches the health of a server hears SERVING again when the offline is undone', async () => {
    const leaving = await instance('grpc-js', { LOSSLESS_HOLD_MS: '20000' });
    const load = startGrpcJs({ method: 'say', ms: 5, perSecond: 50, ports: [leaving.port] });
    const watch = startWatch(leaving.port);
    await until(() => watch.statuses.length > 0);
    const port = await world().controlPort(leaving);
    await operator(port, '/offline', { method: 'POST' });
    await until(() => watch.statuses.length > 1);
    await operator(port, '/online', { method: 'POST' });
    await until(() => watch.statuses.length > 2);
    expect(watch.statuses).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
    expect((await load.stop()).failed).toEqual([]);
    await world().leave(leaving, 'SIGKILL');
    await watch.ended;
  });

  test('that watches the health of a server hears NOT_SERVING, and delays no offline', async () => {
    const leaving = await instance('grpc-js');
    const watch = startWatch(leaving.port);
    await until(() => watch.statuses.length > 0);
    const before = performance.now();
    await world().leave(leaving);
    expect(performance.now() - before).toBeLessThan(3_000);
    expect(await watch.ended).toBe('UNAVAILABLE the instance is leaving');
    expect(watch.statuses).toEqual(['SERVING', 'NOT_SERVING']);
    const { verdict, ...trace } = await world().trace(leaving);
    expect(verdict).toMatchObject({ result: 'success', whole: true });
    expect(spansOf(trace, 'entry')).toHaveLength(0);
  });
});
