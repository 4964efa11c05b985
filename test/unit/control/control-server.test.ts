import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { listen } from '../../../src/control/control-server.ts';
import { watchedGuard } from '../../support/failed-hooks.ts';

const host = '127.0.0.1';
const taken: Server[] = [];
afterEach(() => {
  for (const server of taken.splice(0)) server.close();
});

/** Takes `port`, unless somebody else has it: that is as good. */
async function take(port: number): Promise<number> {
  const server = createServer().listen({ host, port });
  taken.push(server);
  await Promise.race([once(server, 'listening'), once(server, 'error')]).catch(() => {});
  return (server.address() as AddressInfo | null)?.port ?? port;
}

test('a dozen taken ports are skipped without a warning of Node.js', async () => {
  const port = await take(0);
  for (let next = port + 1; next < port + 12; next++) await take(next);
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on('warning', warn);
  const identity = () => ({ service: 'provider', instanceId: 'x', generation: 1 });
  const control = await listen({
    guard: watchedGuard().guard,
    host,
    port,
    operators: undefined,
    tls: undefined,
    identity,
    isFixed: false,
    changesByGet: false,
    routes: {},
  });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', warn);
  control.close();
  expect(control.port).not.toBe(port);
  expect(warnings).toEqual([]);
});
