import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { Agent } from 'undici';
import { describe, expect, test } from 'vitest';
import { Connections } from '../../../src/consumer/connections.ts';
import { watchedGuard } from '../../support/failed-hooks.ts';

class FakeSocket extends EventEmitter {
  destroyed = false;
  connecting = false;

  destroy(): void {
    this.destroyed = true;
    setImmediate(() => this.emit('close'));
  }
}

const own = (connections: Connections, socket: FakeSocket): void => connections.own(socket as unknown as Socket);

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

  test('waits for the close of the agent and for what it has in progress', async () => {
    const connections = new Connections(watchedGuard().guard);
    const closed = Promise.withResolvers<void>();
    connections.agent({}, () => ({ close: () => closed.promise }) as Agent);
    connections.begin();
    connections.close();
    closed.resolve();
    expect(await isIdle(connections)).toBe(false);
    expect(connections.outstanding).toBe(1);
    connections.end();
    expect(await isIdle(connections)).toBe(true);
    const other = new Connections(watchedGuard().guard);
    other.agent({}, () => ({ close: () => new Promise<void>(() => {}) }) as Agent);
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
