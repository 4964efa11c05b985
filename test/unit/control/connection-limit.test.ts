import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { ConnectionLimit } from '../../../src/control/connection-limit.ts';

/** A connection from `address`, and whether it was cut off. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly remotePort: number;
  destroyed = false;

  constructor(address: string, port: number) {
    super();
    this.remoteAddress = address;
    this.remotePort = port;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

const as = (socket: FakeSocket): Socket => socket as unknown as Socket;

/** So many connections from one address, in turn. */
function admit(limit: ConnectionLimit, address: string, count: number): readonly FakeSocket[] {
  const sockets = Array.from({ length: count }, (_, n) => new FakeSocket(address, n + 1));
  for (const socket of sockets) limit.admit(as(socket));
  return sockets;
}

const cutOf = (sockets: readonly FakeSocket[]): readonly number[] =>
  sockets.flatMap(({ destroyed }, n) => (destroyed ? [n] : []));

describe('too many connections', () => {
  test('of one address: the connection that has been idle longest goes', () => {
    expect(cutOf(admit(new ConnectionLimit(8), '192.0.2.1', 6))).toEqual([0, 1]);
  });

  test('of all addresses: a connection of the address with most of them goes', () => {
    const limit = new ConnectionLimit(8);
    const [many, few, one] = [admit(limit, '192.0.2.1', 4), admit(limit, '192.0.2.2', 3), admit(limit, '192.0.2.3', 2)];
    expect([many, few, one].map(cutOf)).toEqual([[0], [], []]);
  });

  test('a connection with a recent request goes last, even under TLS', () => {
    const limit = new ConnectionLimit(8);
    const [first] = admit(limit, '192.0.2.1', 4) as [FakeSocket];
    limit.touch(as(new FakeSocket(first.remoteAddress, first.remotePort)));
    limit.admit(as(new FakeSocket('192.0.2.1', 9)));
    expect(first.destroyed).toBe(false);
  });

  test('a connection of a proven caller stays until its answer', () => {
    const limit = new ConnectionLimit(8);
    const [first] = admit(limit, '192.0.2.1', 4) as [FakeSocket];
    const response = new EventEmitter();
    limit.keep(as(new FakeSocket(first.remoteAddress, first.remotePort)), response as unknown as ServerResponse);
    admit(limit, '192.0.2.1', 20);
    expect(first.destroyed).toBe(false);
  });
});
