import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import {
  type LocateOptions,
  locate,
  type TryConnection,
  targetOf,
} from '../../../../src/provider/registration/main-server.ts';
import type { Candidate } from '../../../../src/provider/registration/servers.ts';
import { tryConnection } from '../../../../src/provider/registration/try-connection.ts';
import { listening } from '../../../support/listening.ts';

const bound = (address: string) => ({ address, port: 8_080, family: 'IPv4' });
const at = (where: Candidate['bound']): Candidate => ({ server: {} as never, bound: where, start: 0 });

/** Takes connections at those hosts alone. */
function reaching(...hosts: readonly string[]): TryConnection {
  return async ({ host }) => (hosts.includes(host) ? undefined : 'ECONNREFUSED');
}

function options(
  reachFrom: TryConnection,
  more: Partial<LocateOptions> = {},
): LocateOptions & { readonly lines: string[] } {
  const lines: string[] = [];
  const log = (level: string, message: string) => void lines.push(`${level} ${message}`);
  return {
    clock: systemClock,
    log,
    tryConnection: reachFrom,
    configured: undefined,
    registry: new URL('file:'),
    lines,
    ...more,
  };
}

describe('the address that is registered', () => {
  test.each([
    ['::', ['127.0.0.1', '::1'], '127.0.0.1'],
    ['::', ['::1'], '::1'],
    ['0.0.0.0', ['127.0.0.1'], '127.0.0.1'],
    ['192.0.2.7', ['192.0.2.7'], '192.0.2.7'],
  ])('bound to %s, with connections taken at %j: %s', async (address, hosts, host) => {
    const candidate = at(bound(address));
    const located = await locate(candidate, options(reaching(...hosts)));
    expect(located).toEqual({ candidate, advertised: { host, port: 8_080, scheme: 'http' } });
    expect(await targetOf(candidate, options(reaching(...hosts)))).toEqual({
      at: { host, port: 8_080 },
      scheme: 'http',
    });
  });

  test('is missing when no server takes a connection there', async () => {
    expect(await locate(at(bound('192.0.2.7')), options(reaching()))).toEqual({ unreachable: '192.0.2.7, port 8080' });
  });

  test('is the configured one even then, with a warning, after one try of the likeliest', async () => {
    const asked: string[] = [];
    const refuses: TryConnection = async ({ host, port }) => {
      asked.push(`${host}:${port}`);
      return 'ECONNREFUSED';
    };
    const given = options(refuses, { configured: { host: 'pod.example', port: 80 } });
    expect(await locate(at(bound('0.0.0.0')), given)).toMatchObject({ advertised: { host: 'pod.example', port: 80 } });
    await Promise.resolve();
    expect(given.lines).toEqual([expect.stringMatching(/^warn this process cannot connect to pod\.example port 80/)]);
    expect(asked).toEqual(['pod.example:80']);
  });

  test('is missing for a Unix socket, which is tried by its path', async () => {
    const candidate = at('/run/app.sock');
    expect(await locate(candidate, options(reaching()))).toEqual({ candidate, advertised: undefined });
    expect(await targetOf(candidate, options(reaching()))).toEqual({
      at: { socketPath: '/run/app.sock' },
      scheme: 'http',
    });
  });
});

describe('a tried connection', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  test('is taken, and closed at once; refused where no server listens', async () => {
    const closed = Promise.withResolvers<void>();
    server = createServer().on('connection', (socket) => socket.resume().once('close', () => closed.resolve()));
    const port = await listening(server);
    const to = { host: '127.0.0.1', port, scheme: 'http' } as const;
    expect(await tryConnection(to, systemClock)).toBeUndefined();
    await closed.promise;
    await new Promise((resolve) => server?.close(resolve));
    expect(await tryConnection(to, systemClock)).toBe('ECONNREFUSED');
  });
});
