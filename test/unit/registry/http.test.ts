import { writeFileSync } from 'node:fs';
import http, { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { HttpClient } from '../../../src/registry/http.ts';
import { attempt } from '../../../src/registry/unavailable.ts';
import { addressOf, UrlOptions } from '../../../src/registry/url-options.ts';
import { portOf } from '../../support/listening.ts';
import { certificate } from '../../support/tls/certificate.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';
import { useServer } from '../../support/use-server.ts';

async function serve(listener: RequestListener): Promise<{ host: string; port: number }> {
  const server = createServer(listener);
  const port = await useServer(server);
  return { host: '127.0.0.1', port: port };
}

const client = (...all: { host: string; port: number }[]) => new HttpClient({ clock: systemClock, servers: all });

describe('HttpClient', () => {
  test('sends and reads', async () => {
    const server = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () =>
        response.end(JSON.stringify([request.method, request.url, Buffer.concat(chunks).toString()])),
      );
    });
    expect(await client(server).json({ method: 'PUT', path: '/a?b=c', body: '{"ü":1}' })).toEqual([
      'PUT',
      '/a?b=c',
      '{"ü":1}',
    ]);
  });

  test('tells of refusals without the query, and which of them are about credentials', async () => {
    const server = await serve((request, response) => {
      response.writeHead(request.url?.startsWith('/denied') ? 403 : 404).end('no\nway');
    });
    const http = client(server);
    await expect(http.send({ method: 'GET', path: '/denied?token=s3cret' })).rejects.toMatchObject({
      status: 403,
      message: `GET /denied at 127.0.0.1:${server.port}: the registry refuses these credentials (403): no way`,
    });
    await expect(http.send({ method: 'GET', path: '/gone' })).rejects.toMatchObject({ status: 404 });
    expect(await http.send({ method: 'GET', path: '/gone', expected: [404] })).toMatchObject({ status: 404 });
  });

  test('gives up in time: on silence, on half an answer, when it is aborted', async () => {
    const silent = await serve(() => {});
    const half = await serve((_, response) => void response.writeHead(200, { 'content-length': 10 }).write('abc'));
    const cut = await serve((_, response) => {
      response.writeHead(200, { 'content-length': 10 });
      response.write('abc', () => response.destroy());
    });
    for (const server of [silent, half])
      await expect(client(server).send({ method: 'GET', path: '/', timeoutMs: 100 })).rejects.toThrow('within 100 ms');
    await expect(client(cut).send({ method: 'GET', path: '/' })).rejects.toThrow(/aborted|closed/);
    const ending = new AbortController();
    const call = client(silent).send({ method: 'GET', path: '/', signal: ending.signal });
    ending.abort();
    await expect(call).rejects.toThrow('ended by this process');
  });

  test('an answer without end is cut off', async () => {
    const server = await serve((_, response) => {
      const more = (): void =>
        void (response.destroyed || response.write('x'.repeat(1 << 20), () => setImmediate(more)));
      more();
    });
    await expect(client(server).send({ method: 'GET', path: '/', timeoutMs: 30_000 })).rejects.toThrow('bytes');
  });

  test('asks the next server when one is down or fails, and stays with it', async () => {
    const counts = { failing: 0, sound: 0 };
    const failing = await serve((_, response) => {
      counts.failing++;
      response.writeHead(500).end();
    });
    const sound = await serve((_, response) => {
      counts.sound++;
      response.end('{}');
    });
    const http = client({ host: '127.0.0.1', port: 1 }, failing, sound);
    await http.json({ method: 'GET', path: '/' });
    await http.json({ method: 'GET', path: '/' });
    expect(counts).toEqual({ failing: 1, sound: 2 });
    expect(http.failure).toBeUndefined();
  });

  test('calls at the same time all find the server that answers', async () => {
    const sound = await serve((_, response) => void response.end('{}'));
    const dead = { host: '127.0.0.1', port: 1 };
    for (const servers of [
      [dead, sound],
      [dead, dead, sound],
      [dead, sound, dead],
    ]) {
      const http = client(...servers);
      const calls = Array.from({ length: 10 }, () => http.json({ method: 'GET', path: '/' }));
      expect(await Promise.all(calls)).toHaveLength(10);
      expect(http.failure).toBeUndefined();
    }
  });

  test('speaks TLS with the files of the URL, which are read for each connection', async () => {
    const directory = useScratchFolder();
    const { key, cert } = await certificate();
    const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const server = createTlsServer(
      { key, cert, ca: cert, requestCert: true },
      (_, response) => void response.end('{}'),
    );
    await useServer(server);
    const query = new URLSearchParams({ ca: certFile, cert: certFile, key: keyFile });
    const options = new UrlOptions(new URL(`x://localhost:${portOf(server)}?${query}`));
    const secure = new HttpClient({ clock: systemClock, servers: [options.server(1)], tls: options.tls() });
    await expect(secure.json({ method: 'GET', path: '/' })).rejects.toThrow('ENOENT');
    writeFileSync(keyFile, key);
    writeFileSync(certFile, cert);
    expect(await secure.json({ method: 'GET', path: '/' })).toEqual({});
    const all = [options.server(1)];
    await expect(client(...all).json({ method: 'GET', path: '/' })).rejects.toThrow();
    const anonymous = new HttpClient({ clock: systemClock, servers: all, tls: { ca: certFile } });
    await expect(anonymous.json({ method: 'GET', path: '/' })).rejects.toThrow();
    const untrusting = new HttpClient({ clock: systemClock, servers: all, tls: {} });
    await expect(untrusting.json({ method: 'GET', path: '/' })).rejects.toThrow('self-signed certificate');
  });

  test('has few calls open at a time, besides calls that wait for a change', async () => {
    const counts = { now: 0, most: 0 };
    const full = Promise.withResolvers<void>();
    const server = await serve((request, response) => {
      if (request.url === '/wait') return;
      counts.most = Math.max(counts.most, ++counts.now);
      if (counts.now === 16) full.resolve();
      void full.promise.then(() => setTimeout(() => response.end(String(counts.now--)), 5));
    });
    const http = client(server);
    const ending = new AbortController();
    const waiting = Promise.allSettled(
      Array.from({ length: 40 }, () => http.send({ method: 'GET', path: '/wait', waits: true, signal: ending.signal })),
    );
    await Promise.all(Array.from({ length: 100 }, () => http.send({ method: 'GET', path: '/' })));
    expect(counts).toEqual({ now: 0, most: 16 });
    ending.abort();
    await waiting;
  });

  test('goes neither through agents nor through http.request, which are those of the application', async () => {
    const server = await serve((_, response) => void response.end('{}'));
    const { addRequest } = http.Agent.prototype as unknown as { addRequest: unknown };
    const { request } = http;
    const seen: string[] = [];
    Object.assign(http.Agent.prototype, { addRequest: () => seen.push('agent') });
    Object.assign(http, { request: () => seen.push('request') });
    try {
      expect(await client(server).json({ method: 'GET', path: '/' })).toEqual({});
    } finally {
      Object.assign(http.Agent.prototype, { addRequest });
      Object.assign(http, { request });
    }
    expect(seen).toEqual([]);
  });

  test('says since when it fails', async () => {
    const http = client({ host: '127.0.0.1', port: 1 });
    await http.send({ method: 'GET', path: '/' }).catch(() => {});
    const since = http.failure?.since;
    await http.send({ method: 'GET', path: '/' }).catch(() => {});
    expect(http.failure).toEqual({ since, message: expect.stringContaining('ECONNREFUSED') });
  });

  test('reads lines until the server ends them, or the time is over', async () => {
    const server = await serve((request, response) => {
      response.write('{"n":1}\n{"n"');
      response.write(':2}\n');
      if (request.url === '/ends') response.end();
    });
    for (const path of ['/ends', '/endless']) {
      const lines: unknown[] = [];
      await client(server).lines({ method: 'GET', path, lastsMs: 200 }, (line) => lines.push(line) > 0);
      expect(lines).toEqual([{ n: 1 }, { n: 2 }]);
    }
    const http = client(server);
    await http.lines({ method: 'GET', path: '/endless', lastsMs: 60_000 }, () => false);
    expect(http.failure).toBeUndefined();
    const thrown = client(server).lines({ method: 'GET', path: '/endless', lastsMs: 9_000 }, () => {
      throw new Error('not this one');
    });
    await expect(thrown).rejects.toThrow('not this one');
  });
});

test('failures have the form of the contract, once', async () => {
  const failed = attempt('the x registry', () => attempt('inside', () => Promise.reject(new Error('down'))));
  await expect(failed).rejects.toMatchObject({
    code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
    message: 'LOSSLESS_REGISTRY_UNAVAILABLE: inside cannot be used: down',
  });
});

describe('UrlOptions', () => {
  const of = (text: string): UrlOptions => new UrlOptions(new URL(text));
  const bad = { code: 'LOSSLESS_REGISTRY_URL' };

  test('names servers, with a default port', () => {
    expect(of('x://a:1?server=b&server=[::1]:3').servers(9)).toEqual([
      { host: 'a', port: 1 },
      { host: 'b', port: 9 },
      { host: '::1', port: 3 },
    ]);
    expect(addressOf(of('x://u:p@a:1?server=[::1]:3').servers(9))).toBe('a:1,[::1]:3');
    expect(() => of('x:').servers(9)).toThrow(expect.objectContaining(bad));
  });

  test('checks values, and refuses unknown options without repeating them', () => {
    const options = of('x://a?n=5&flag=true&token=s3cret');
    expect(options.integer('n', 1, 1, 9)).toBe(5);
    expect(options.integer('m', 1, 1, 9)).toBe(1);
    expect(options.flag('flag', false)).toBe(true);
    expect(() => options.integer('n', 1, 1, 4)).toThrow(expect.objectContaining(bad));
    expect(() => options.done()).toThrow(expect.objectContaining(bad));
    expect(() => options.done()).not.toThrow('s3cret');
    expect(options.secret('token')?.()).toBe('s3cret');
    expect(() => options.done()).not.toThrow();
  });

  test.each(['x://a%ZZ', 'x://u:%E0%A4%A@a', 'x://a?4f8c-s3cret', 'x://a?tls=yes', 'x://a?cert=a', 'x://a?server=:'])(
    '%s is refused without repeating its value',
    (text) => {
      const read = (): void => {
        const options = of(text);
        options.servers(1);
        options.user();
        options.tls();
        options.done();
      };
      expect(read).toThrow(expect.objectContaining(bad));
      expect(read).not.toThrow(/s3cret|%/);
    },
  );

  test('reads a secret from its file each time', () => {
    const directory = useScratchFolder();
    const path = join(directory, 'token');
    writeFileSync(path, 'one\n');
    const token = of(`x://a?tokenFile=${encodeURIComponent(path)}`).secret('token');
    expect(token?.()).toBe('one');
    writeFileSync(path, 'two\n');
    expect(token?.()).toBe('two');
    expect(() => of('x://a?token=a&tokenFile=b').secret('token')).toThrow(expect.objectContaining(bad));
  });
});
