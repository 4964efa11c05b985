import { createServer, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { openRegistry } from '../../../src/registry/open.ts';
import { Secrets } from '../../../src/registry/secrets.ts';
import { anInstance } from '../../support/an-instance.ts';
import { useServer } from '../../support/use-server.ts';

const SECRET = 'kq7+marker/of a&secret<42>';

describe('foreign text', () => {
  const secrets = new Secrets();
  secrets.add(SECRET);
  secrets.add('abc');

  test.each([
    SECRET,
    encodeURIComponent(SECRET),
    new URLSearchParams({ token: SECRET }).toString(),
    JSON.stringify({ token: SECRET }),
    JSON.stringify({ token: SECRET }).replaceAll('&', '\\u0026').replaceAll('<', '\\u003c').replaceAll('>', '\\u003e'),
    SECRET.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
    SECRET.toUpperCase(),
    Buffer.from(SECRET).toString('base64'),
    Buffer.from(SECRET).toString('base64url'),
    `cut: ${SECRET.slice(0, 12)}`,
    `${'x'.repeat(190)} ${SECRET}`,
  ])('holds no secret: %s', (repeated) => {
    const told = secrets.excerpt(`<p>${repeated}</p>`);
    expect(told).not.toMatch(/kq7|marker|secret|a3E3K21hcmtlci/i);
  });

  test('without a secret stays as it is, on one line and cut', () => {
    expect(secrets.excerpt('an  abcess\n of abc')).toBe('an abcess of ***');
    expect(secrets.excerpt('y '.repeat(500))).toHaveLength(203);
    expect(secrets.excerpt('y'.repeat(2_000_000))).toBe('2000000 characters');
    expect(secrets.excerpt(undefined)).toBe('undefined');
  });

  test('is bounded; the secrets that came first stay', () => {
    const many = new Secrets();
    for (let n = 0; n < 1_000; n++) many.add(`secret-number-${String(n).padStart(4, '0')}`);
    expect(many.excerpt('secret-number-0000')).toBe('***');
    expect(many.excerpt('secret-number-0999')).toBe('***');
  });
});

/** A proxy that repeats the request in its error page. */
async function anEcho(
  status: number,
  isAnswer: (path: string) => string | undefined = () => undefined,
): Promise<number> {
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const answer = isAnswer(request.url ?? '');
    if (answer !== undefined) return void response.end(answer);
    response.writeHead(status).end(pageOf(request, body));
  });
  return useServer(server);
}

const pageOf = ({ method, url, headers }: IncomingMessage, body: string): string =>
  `${headers['authorization'] ?? ''} ${headers['x-consul-token'] ?? ''} ${headers['accesstoken'] ?? ''} ${body} ${method} ${url}`;

const enc = encodeURIComponent(SECRET);

describe.each([403, 500])('a registry that repeats the request with status %i', (status) => {
  test.each([
    ['consul', (port: number) => `consul://127.0.0.1:${port}?token=${enc}`, undefined],
    ['eureka', (port: number) => `eureka://user:${enc}@127.0.0.1:${port}/eureka`, undefined],
    ['etcd', (port: number) => `etcd://user:${enc}@127.0.0.1:${port}`, undefined],
    [
      'etcd, the token',
      (port: number) => `etcd://user:other@127.0.0.1:${port}`,
      (path: string) => (path.endsWith('authenticate') ? JSON.stringify({ token: SECRET }) : undefined),
    ],
    ['nacos', (port: number) => `nacos://user:${enc}@127.0.0.1:${port}?push=false`, undefined],
    [
      'nacos, the token',
      (port: number) => `nacos://user:other@127.0.0.1:${port}?push=false`,
      (path: string) => (path.includes('/login') ? JSON.stringify({ accessToken: SECRET, tokenTtl: 100 }) : undefined),
    ],
    ['kubernetes', (port: number) => `kubernetes://127.0.0.1:${port}?tls=false&namespace=n&token=${enc}`, undefined],
  ])('%s: neither errors, the log nor the status hold a secret', async (_, urlOf, isAnswer) => {
    // A header cannot hold every character, so the proxy repeats the characters that were sent.
    const port = await anEcho(status, isAnswer);
    const said: string[] = [];
    const registry = await openRegistry(new URL(urlOf(port)), {
      clock: systemClock,
      log: (_level, message) => void said.push(message),
    });
    const instance = anInstance({ service: 'shop' });
    const failed = async (work: Promise<unknown>): Promise<void> => {
      await work.catch((thrown: Error) =>
        said.push(thrown.message, String((thrown.cause as Error | undefined)?.message)),
      );
    };
    await failed(registry.instances('shop'));
    if (!registry.type.includes('kubernetes')) await failed(registry.register(instance));
    await failed(registry.watch('shop', () => {}));
    said.push(registry.failure?.message ?? '');
    await registry.close();
    expect(said.length).toBeGreaterThan(2);
    expect(said.join('\n')).toContain('***');
    expect(said.join('\n')).not.toMatch(/kq7|marker|a3E3K21hcmtlci|dXNlcjprcTcr/i);
  });
});
