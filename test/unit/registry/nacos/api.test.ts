import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { NacosApi } from '../../../../src/registry/nacos/api.ts';
import { listening, portOf } from '../../../support/listening.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

test('a token that is still good is used when it cannot be renewed, and renewed later', async () => {
  const clock = new SimulatedClock();
  const seen: (string | undefined)[] = [];
  let logIns = 0;
  let canLogIn = true;
  const server = createServer((request, response) => {
    if (request.url?.includes('/login')) {
      logIns++;
      if (!canLogIn) return void response.writeHead(500).end('no database');
      return void response.end(JSON.stringify({ accessToken: `token-${logIns}`, tokenTtl: 1_000 }));
    }
    seen.push(request.headers['accesstoken'] as string | undefined);
    response.end(JSON.stringify({ code: 0, data: [] }));
  });
  await listening(server);
  const nacos = new NacosApi({
    clock,
    servers: [{ host: '127.0.0.1', port: portOf(server) }],
    tls: undefined,
    user: { name: 'nacos', password: 'x' },
    base: '/nacos',
    namespace: undefined,
    group: 'DEFAULT_GROUP',
    clusters: 'DEFAULT',
  });
  await nacos.list('shop');
  clock.stall(900_000);
  canLogIn = false;
  await nacos.list('shop');
  await nacos.list('shop');
  expect(seen).toEqual(['token-1', 'token-1', 'token-1']);
  expect(logIns).toBe(2);
  clock.stall(15_000);
  canLogIn = true;
  await nacos.list('shop');
  expect(seen.at(-1)).toBe('token-3');
  server.close();
});
