import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Connections, type OpenAgent } from '../../../../src/consumer/directory/connections.ts';
import { watchedGuard } from '../../../support/failed-hooks.ts';

class FakeSocket extends EventEmitter {
  destroyed = false;
  connecting = false;

  destroy(): void {
    this.destroyed = true;
    setImmediate(() => this.emit('close'));
  }
}

const own = (connections: Connections, socket: FakeSocket): void => connections.own(socket as unknown as Socket);

/** @param close how it closes */
function agentThat(close: () => Promise<void>): OpenAgent {
  return { dispatch: () => true, close, destroy: async () => {}, upgraded() {} };
}

async function isIdle({ idle }: Connections): Promise<boolean> {
  await new Promise(setImmediate);
  return Promise.race([idle.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))]);
}

describe('idle', () => {
  test('at once when nothing was ever sent, and only after closing', async () => {
    const connections = new Connections(watchedGuard().guard);
    expect(await isIdle(connections)).toBe(false);
    connections.close();
    expect(await isIdle(connections)).toBe(true);
  });

  test('waits for the close of the agent and for its requests in progress', async () => {
    const connections = new Connections(watchedGuard().guard);
    const closed = Promise.withResolvers<void>();
    connections.agent({}, () => agentThat(() => closed.promise));
    connections.begin();
    connections.close();
    closed.resolve();
    expect(await isIdle(connections)).toBe(false);
    expect(connections.outstanding).toBe(1);
    connections.end();
    expect(await isIdle(connections)).toBe(true);
    const other = new Connections(watchedGuard().guard);
    other.agent({}, () => agentThat(() => new Promise<void>(() => {})));
    other.close();
    expect(await isIdle(other)).toBe(false);
  });

  test('closes idle sockets, not busy ones, not upgraded ones, not those in the making', async () => {
    const connections = new Connections(watchedGuard().guard);
    const [idle, busy, upgraded, connecting] = Array.from({ length: 4 }, () => new FakeSocket()) as [
      FakeSocket,
      FakeSocket,
      FakeSocket,
      FakeSocket,
    ];
    for (const socket of [idle, busy, upgraded, connecting]) own(connections, socket);
    for (const socket of [idle, upgraded, connecting]) socket.emit('free');
    upgraded.emit('agentRemove');
    connecting.connecting = true;
    connections.close();
    expect([idle, busy, upgraded, connecting].map(({ destroyed }) => destroyed)).toEqual([true, false, false, false]);
    expect(connections.outstanding).toBe(1);
    for (const socket of [busy, upgraded]) socket.emit('close');
    expect(await isIdle(connections)).toBe(false);
    connecting.emit('close');
    expect(await isIdle(connections)).toBe(true);
  });
});

describe('a failure in an event of a socket is logged, and other listeners still get the event', () => {
  afterEach(() => vi.restoreAllMocks());

  test.each([
    ['free', 'delete'],
    ['agentRemove', 'add'],
    ['close', 'delete'],
  ] as const)('the event %s', (event, method) => {
    const { guard, failed } = watchedGuard();
    const socket = new FakeSocket();
    own(new Connections(guard), socket);
    const heard = vi.fn();
    socket.on(event, heard);
    const original = Set.prototype[method];
    vi.spyOn(Set.prototype, method).mockImplementation(function (this: Set<unknown>, value) {
      if (value === socket) throw new Error('spoiled');
      return Reflect.apply(original, this, [value]) as never;
    });
    socket.emit(event);
    expect(heard).toHaveBeenCalledOnce();
    expect(failed).toEqual(['a connection of node:http']);
  });

  test('the turn after a request has ended', async () => {
    const { guard, failed } = watchedGuard();
    const connections = new Connections(guard);
    const [socket, call] = [new FakeSocket(), { place: -1, leave() {} }];
    own(connections, socket);
    connections.add(call);
    connections.close();
    socket.emit('free');
    socket.destroy = () => {
      throw new Error('spoiled');
    };
    connections.remove(call);
    await new Promise(setImmediate);
    expect(failed).toEqual(['a connection of node:http']);
  });
});
