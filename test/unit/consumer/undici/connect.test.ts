import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import type { Connections } from '../../../../src/consumer/directory/connections.ts';
import type { Endpoint } from '../../../../src/consumer/directory/endpoint.ts';
import type { Service } from '../../../../src/consumer/directory/service.ts';
import type { Agents } from '../../../../src/consumer/undici/agents.ts';
import { UndiciCall } from '../../../../src/consumer/undici/call.ts';
import { connectTo } from '../../../../src/consumer/undici/connect.ts';
import { watchedGuard } from '../../../support/failed-hooks.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

const spoiled = (): never => {
  throw new Error('spoiled');
};
const TARGET = { protocol: 'http:', hostname: '127.0.0.1', port: '80', allowH2: false };

test('a connection that stands ready and cannot be taken is skipped, and the log says so', () => {
  const { guard, failed } = watchedGuard();
  const endpoint = { prebuilt: { destination: {}, take: spoiled } } as unknown as Endpoint;
  const service = { reached: vi.fn() } as unknown as Service;
  const made = new EventEmitter() as Socket;
  const connect = connectTo({
    clock: new SimulatedClock(),
    guard,
    service,
    endpoint,
    build: () => () => made,
    isPlain: false,
    http2: false,
    isReadyTaken: true,
  });
  expect(connect(TARGET, () => {})).toBe(made);
  expect(failed).toEqual(['a connection that undici makes']);
});

test('undici gets its connection although a step after the opening fails', () => {
  const { guard, failed } = watchedGuard();
  const service = { reached: spoiled } as unknown as Service;
  const endpoint = {} as Endpoint;
  const made = new EventEmitter() as Socket;
  let stands = (): void => {};
  const connect = connectTo({
    clock: new SimulatedClock(),
    guard,
    service,
    endpoint,
    build: () => (_, done) => {
      stands = () => done(null, made);
      return made;
    },
    isPlain: false,
    http2: false,
    isReadyTaken: true,
  });
  const done = vi.fn();
  connect(TARGET, done);
  stands();
  expect(done).toHaveBeenCalledWith(null, made);
  expect(failed).toEqual(['a connection that undici makes']);
});

test('a failure at the close of an upgraded connection is logged', () => {
  const { guard, failed } = watchedGuard();
  const connections = { begin() {}, end: spoiled } as unknown as Connections;
  const agents = { begin() {}, end() {}, to: () => ({ dispatch: () => true, upgraded() {} }) } as unknown as Agents;
  const endpoint = { connections, origins: { http: 'http://127.0.0.1:1' } } as Endpoint;
  const service = { pick: () => endpoint } as unknown as Service;
  const context = {
    clock: new SimulatedClock(),
    guard,
    header: undefined,
    route: () => service,
    marked() {},
  };
  const call = new UndiciCall(context, agents, service, { origin: 'http://s', path: '/', method: 'GET' }, {});
  call.send();
  const socket = new EventEmitter();
  call.upgraded(socket as never);
  socket.emit('close');
  expect(failed).toEqual(['an upgraded connection of undici']);
});
