import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { isShared } from '../../../../src/provider/traffic/shared-port.ts';
import { portOf } from '../../../support/listening.ts';
import { useChildren } from '../../../support/process/use-children.ts';

const children = useChildren();

const TWICE = new URL('../../../fixtures/apps/twice.ts', import.meta.url);

test.skipIf(process.platform !== 'linux')(
  'a port is shared when another process listens on it too, at the same address',
  async () => {
    const server = createServer();
    await once(server.listen({ port: 0, host: '127.0.0.1', reusePort: true }), 'listening');
    const port = portOf(server);
    const ports = new Set([port]);
    expect(await isShared(ports)).toBe(false);
    const env = { LOSSLESS_SERVICE: 'x', LOSSLESS_REGISTRY: 'file:///none' };
    const sharing = (host: string) => children.node(TWICE, { env, args: ['http', '5', String(port), host, 'reuse'] });
    await sharing('127.0.0.2').sees(/listening/);
    expect(await isShared(ports)).toBe(false);
    const other = sharing('127.0.0.1');
    await other.sees(/listening/);
    expect(await isShared(ports)).toBe(true);
    expect(await isShared(new Set([port + 1]))).toBe(false);
    server.close();
  },
);
