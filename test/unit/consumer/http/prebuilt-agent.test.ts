import { once } from 'node:events';
import { Agent, get, type RequestOptions } from 'node:http';
import { BlockList, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Prebuilt } from '../../../../src/consumer/directory/prebuilt.ts';
import { withPrebuilt } from '../../../../src/consumer/http/prebuilt-agent.ts';
import { watchedGuard } from '../../../support/failed-hooks.ts';
import { listening } from '../../../support/listening.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

let server: Server;
let prebuilt: Prebuilt;
const sockets = new Set<Socket>();
beforeEach(async () => {
  server = createServer((socket) => sockets.add(socket.on('error', () => {}).resume()));
  const port = await listening(server);
  prebuilt = new Prebuilt({ host: '127.0.0.1', port }, new SimulatedClock(), watchedGuard().guard);
  await prebuilt.open(1_000);
});
afterEach(async () => {
  prebuilt.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** Whether a request with these options takes the connection that stands ready. */
function takes(settings: object): boolean {
  const { host, port } = prebuilt.destination;
  const agent = new Agent({ keepAlive: true });
  const options = { host, port, agent, ...settings } as RequestOptions;
  withPrebuilt(agent, prebuilt, watchedGuard().guard, () =>
    get(options)
      .on('error', () => {})
      .destroy(),
  );
  return !prebuilt.stands;
}

test('a request without own settings, or with the usual ones, takes the prebuilt connection', () => {
  expect(takes({ path: '/x', headers: { a: 'b' }, noDelay: true, timeout: 5_000 })).toBe(true);
});

test.each([
  ['ALPNProtocols', ['http/1.1']],
  ['allowHalfOpen', true],
  ['blockList', new BlockList()],
  ['checkServerIdentity', () => undefined],
  ['hints', 0],
  ['localPort', 0],
  ['lookup', () => {}],
  ['minDHSize', 2_048],
  ['onread', { buffer: Buffer.alloc(1), callback: () => true }],
  ['pskCallback', () => null],
  ['requestOCSP', true],
  ['secureContext', createSecureContext()],
  ['session', Buffer.alloc(1)],
  ['typeOfService', 8],
])('a request with its own %s takes no prebuilt connection', (setting, value) => {
  expect(takes({ [setting]: value })).toBe(false);
});

test('when a failure hides whether a prebuilt connection fits, the agent makes its own, and the log says so', async () => {
  const { guard, failed } = watchedGuard();
  const { host, port } = prebuilt.destination;
  const agent = new Agent();
  const { getName } = agent;
  agent.getName = (options) => {
    if (options === (prebuilt.destination as object)) throw new Error('spoiled');
    return getName.call(agent, options);
  };
  let request: ReturnType<typeof get> | undefined;
  withPrebuilt(agent, prebuilt, guard, () => {
    request = get({ host, port, agent }).on('error', () => {});
  });
  await once(request as NonNullable<typeof request>, 'socket');
  request?.destroy();
  expect(prebuilt.stands).toBe(true);
  expect(failed).toEqual(['a connection that an agent makes']);
});
