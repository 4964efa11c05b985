import { execFile } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { Agent, createServer as createHttp, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer as createNet } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Target } from '../../../src/config/target.ts';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { CollectorClient } from '../../../src/trace/collector-client.ts';
import { encode } from '../../../src/trace/model/protobuf.ts';
import { listening } from '../../support/listening.ts';
import { certificate } from '../../support/tls/certificate.ts';
import { until } from '../../support/until.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';
import { useServer } from '../../support/use-server.ts';

let directory: string;

beforeEach(() => {
  directory = useScratchFolder();
});

async function listen(server: Server): Promise<number> {
  return useServer(server);
}

function target(endpoint: string, more: Partial<Target> = {}): Target {
  return {
    signal: 'traces',
    protocol: 'http/json',
    endpoint: new URL(endpoint),
    headers: {},
    compression: 'none',
    timeoutMs: 5_000,
    tls: {},
    ...more,
  };
}

/** A collector that answers with these statuses, the last one for ever, and counts. */
async function answering(statuses: readonly number[], headers: Record<string, string> = {}) {
  const seen = { count: 0 };
  const listener: RequestListener = (request, response) => {
    request.resume();
    const status = statuses[Math.min(seen.count++, statuses.length - 1)] ?? 500;
    response.writeHead(status, headers).end();
  };
  return { seen, url: `http://127.0.0.1:${await listen(createHttp(listener))}/v1/traces` };
}

describe('send', () => {
  test.each([429, 502, 503, 504])(
    'status %i: the client repeats the request until the collector takes it',
    async (status) => {
      const { seen, url } = await answering([status, status, 200]);
      expect(await new CollectorClient(target(url), systemClock).send('{}')).toBeUndefined();
      expect(seen.count).toBe(3);
    },
  );

  test.each([400, 401, 404, 413, 500])('status %i: the client never repeats the request', async (status) => {
    const { seen, url } = await answering([status]);
    expect(await new CollectorClient(target(url), systemClock).send('{}')).toMatchObject({
      reason: `the collector answered ${status}`,
      retryable: false,
    });
    expect(seen.count).toBe(1);
  });

  test('the client does not call a collector again that asks for more time than is left', async () => {
    const { seen, url } = await answering([503], { 'retry-after': '60' });
    expect(await new CollectorClient(target(url), systemClock).send('{}')).toMatchObject({ afterMs: 60_000 });
    expect(seen.count).toBe(1);
  });

  test('no answer: cut off by the time-out, and the process need not wait for it', async () => {
    const port = await listen(createHttp(() => {}));
    const url = `http://127.0.0.1:${port}/v1/traces`;
    expect(await new CollectorClient(target(url, { timeoutMs: 50 }), systemClock).send('{}')).toMatchObject({
      reason: expect.stringContaining('no answer'),
    });
    const source = (name: string) => JSON.stringify(new URL(`../../../src/${name}`, import.meta.url).href);
    const program = `
      import { systemClock } from ${source('lifecycle/clock.ts')};
      import { CollectorClient } from ${source('trace/collector-client.ts')};
      const target = { signal: 'traces', protocol: 'http/json', endpoint: new URL('${url}'), headers: {}, compression: 'none', timeoutMs: 600000, tls: {} };
      void new CollectorClient(target, systemClock).send('{}');
      console.log('asked');`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    expect(stdout).toBe('asked\n');
  });
});

describe('how a request is written', () => {
  const PROTOBUF = 'application/x-protobuf';
  const JSON_TYPE = 'application/json';

  /** A collector that takes requests of these types; what came, in order. */
  async function taking(...types: readonly string[]) {
    const came: string[] = [];
    const listener: RequestListener = (request, response) => {
      const type = request.headers['content-type'] ?? '';
      came.push(type);
      request.resume();
      request.once('end', () => response.writeHead(types.includes(type) ? 200 : 415).end());
    };
    return { came, url: `http://127.0.0.1:${await listen(createHttp(listener))}/v1/traces` };
  }

  test.each([
    ['http/protobuf', [PROTOBUF], [PROTOBUF, PROTOBUF]],
    ['http/json', [JSON_TYPE], [JSON_TYPE, JSON_TYPE]],
    ['http/protobuf', [JSON_TYPE], [PROTOBUF, JSON_TYPE, JSON_TYPE]],
    ['http/json', [PROTOBUF], [JSON_TYPE, PROTOBUF, PROTOBUF]],
  ] as const)('with %s, to a collector that takes %j: %j', async (protocol, types, expected) => {
    const { came, url } = await taking(...types);
    const client = new CollectorClient(target(url, { protocol }), systemClock);
    for (const _ of [1, 2]) expect(await client.send('{"resourceSpans":[]}')).toBeUndefined();
    expect(came).toEqual(expected);
  });

  test('a collector that takes neither encoding gets the other one once', async () => {
    const { came, url } = await taking();
    const client = new CollectorClient(target(url, { protocol: 'http/protobuf' }), systemClock);
    for (const _ of [1, 2])
      expect(await client.send('{"resourceSpans":[]}')).toMatchObject({ reason: 'the collector answered 415' });
    expect(came).toEqual([PROTOBUF, JSON_TYPE, JSON_TYPE]);
  });

  test('a spooled body that Protobuf cannot hold is refused for its content', async () => {
    const { came, url } = await taking(PROTOBUF);
    const client = new CollectorClient(target(url, { protocol: 'http/protobuf' }), systemClock);
    expect(await client.send('{"resourceSpans":[7]}')).toMatchObject({ refuses: 'this', retryable: false });
    expect(came).toEqual([]);
  });

  test('rejected items are read from an answer in Protobuf too', async () => {
    const partialSuccess = { rejectedSpans: 7, errorMessage: 'too old' };
    const port = await listen(
      createHttp((request, response) => {
        request.resume();
        response.writeHead(200, { 'content-type': PROTOBUF }).end(encode('TracesResponse', { partialSuccess }));
      }),
    );
    const client = new CollectorClient(
      target(`http://127.0.0.1:${port}/v1/traces`, { protocol: 'http/protobuf' }),
      systemClock,
    );
    expect(await client.send('{}')).toEqual({ rejected: 7, reason: 'too old' });
  });
});

describe('an answer', () => {
  async function saying(answer: (response: ServerResponse) => void) {
    const server = createHttp((request, response) => {
      request.resume();
      answer(response);
    });
    return { server, url: `http://127.0.0.1:${await listen(server)}/v1/traces` };
  }

  test.each([
    ['{"partialSuccess":{"rejectedSpans":"7","errorMessage":"too old"}}', { rejected: 7, reason: 'too old' }],
    ['{"partialSuccess":{"rejectedSpans":7}}', { rejected: 7, reason: '' }],
    ['{"partialSuccess":{"errorMessage":"soon no more"}}', { rejected: 0, reason: 'soon no more' }],
    ['{"partialSuccess":{}}', undefined],
    ['{}', undefined],
    ['null', undefined],
    ['\x0a\x00', undefined],
    ['', undefined],
    [`{"x":"${'x'.repeat(1_000_000)}`, undefined],
  ])('is read: %.60s', async (text, expected) => {
    const { url } = await saying((response) => response.end(text));
    expect(await new CollectorClient(target(url), systemClock).send('{}')).toEqual(expected);
  });

  test('that is a web page does not come from a collector', async () => {
    const { url } = await saying((response) =>
      response.setHeader('content-type', 'text/html; charset=utf-8').end('<html>'),
    );
    expect(await new CollectorClient(target(url), systemClock).send('{}')).toMatchObject({
      reason: 'the collector answered 200 with a web page',
    });
  });

  test.each([200, 500])('with status %i and no end is cut off with its connection', async (status) => {
    const { server, url } = await saying((response) => response.writeHead(status).write('{'));
    const answer = await new CollectorClient(target(url, { timeoutMs: 200 }), systemClock).send('{}');
    expect(answer).toEqual(status === 200 ? undefined : expect.objectContaining({ retryable: false }));
    const open = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    await until(async () => (await open()) === 0);
  });
});

describe('a request', () => {
  test('goes past the agents of the application, whose hook would take a collector for the service of its name', async () => {
    const { seen, url } = await answering([200]);
    const addRequest = vi.spyOn(Agent.prototype as Agent & { addRequest(): void }, 'addRequest');
    expect(await new CollectorClient(target(url), systemClock).post('{}')).toBeUndefined();
    expect(addRequest).not.toHaveBeenCalled();
    addRequest.mockRestore();
    expect(seen.count).toBe(1);
  });

  test('names host and path as the endpoint does, with its user', async () => {
    const asked: unknown[] = [];
    const port = await listen(
      createHttp(({ url, headers: { host, authorization } }, response) => {
        asked.push({ url, host, authorization });
        response.end();
      }),
    );
    const endpoint = `http://user:p%40ss@127.0.0.1:${port}/v1/traces?tenant=a`;
    expect(await new CollectorClient(target(endpoint), systemClock).post('{}')).toBeUndefined();
    const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
    expect(asked).toEqual([{ url: '/v1/traces?tenant=a', host: `127.0.0.1:${port}`, authorization }]);
  });
});

test('an invalid header fails at once, without another attempt', async () => {
  const { seen, url } = await answering([200]);
  const client = new CollectorClient(target(url, { headers: { tenant: 'a\nb' } }), systemClock);
  expect(await client.send('{}')).toMatchObject({ reason: expect.stringContaining('tenant'), retryable: false });
  expect(seen.count).toBe(0);
});

describe('https:', () => {
  async function collector(): Promise<{ url: string; ca: string; key: string }> {
    const { key, cert } = await certificate();
    const [ca, keyFile] = [join(directory, 'ca.pem'), join(directory, 'key.pem')];
    writeFileSync(ca, cert);
    writeFileSync(keyFile, key);
    const server = createHttps({ key, cert, ca: cert, requestCert: true, rejectUnauthorized: true }, (_, response) => {
      response.end();
    });
    return { url: `https://127.0.0.1:${await listen(server as unknown as Server)}/v1/traces`, ca, key: keyFile };
  }

  test('uses the authority, the certificate and the key of the files', async () => {
    const { url, ca, key } = await collector();
    const client = new CollectorClient(target(url, { tls: { ca, cert: ca, key } }), systemClock);
    expect(await client.post('{}')).toBeUndefined();
  });

  test('files that appear, or are replaced, while the process runs are read', async () => {
    const { url, ca, key } = await collector();
    const late = join(directory, 'late.pem');
    const client = new CollectorClient(target(url, { tls: { ca: late, cert: ca, key } }), systemClock);
    expect((await client.post('{}'))?.reason).toMatch(/ENOENT.*late\.pem/);
    copyFileSync(ca, late);
    expect(await client.post('{}')).toBeUndefined();
  });

  test.each([
    ['an authority that is not trusted', () => ({}), /self.signed/],
    ['no client certificate', (ca: string) => ({ ca }), /./],
    ['a missing file', () => ({ ca: '/nowhere/ca.pem' }), /ENOENT.*ca\.pem/],
  ])('%s: refused with the reason', async (_, tls, reason) => {
    const { url, ca } = await collector();
    const refusal = await new CollectorClient(target(url, { tls: tls(ca) }), systemClock).post('{}');
    expect(refusal?.reason).toMatch(reason);
  });
});

describe('a collector that refuses connections', () => {
  const absent = { isAbsent: true, reason: expect.stringContaining('ECONNREFUSED') };

  test('gets one more attempt at the end, and no further one', async () => {
    const client = new CollectorClient(target('http://127.0.0.1:1'), systemClock);
    const hurry = new AbortController();
    const begun = performance.now();
    setTimeout(() => hurry.abort(), 500);
    expect(await client.send('{}', hurry.signal)).toMatchObject(absent);
    expect(performance.now() - begun).toBeLessThan(1_500);
    const again = performance.now();
    expect(await client.send('{}', hurry.signal)).toMatchObject(absent);
    expect(performance.now() - again).toBeLessThan(400);
  });

  test('a collector that answers slowly gets its time', async () => {
    const { seen, url } = await answering([503, 503, 200]);
    expect(await new CollectorClient(target(url), systemClock).send('{}', AbortSignal.abort())).toBeUndefined();
    expect(seen.count).toBe(3);
  });
});

describe('a port of OTLP/gRPC', () => {
  const hint = expect.stringMatching(/this looks like OTLP\/gRPC.*4318/);

  test('is recognized by the first frame of its server', async () => {
    const server = createHttp2();
    const port = await listening(server);
    const answer = await new CollectorClient(target(`http://127.0.0.1:${port}`), systemClock).post('{}');
    server.close();
    expect(answer).toMatchObject({ reason: hint });
  });

  test('is recognized by its number when it hangs up', async () => {
    const server = createNet((socket) => socket.on('data', () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(4317, '127.0.0.9', resolve));
    const answer = await new CollectorClient(target('http://127.0.0.9:4317/v1/traces'), systemClock).post('{}');
    server.close();
    expect(answer).toMatchObject({ reason: hint });
  });

  test.each(['http://127.0.0.1:1', 'http://127.0.0.10:4317'])(
    '%s without a server is not taken for such a port',
    async (url) => {
      const answer = await new CollectorClient(target(url), systemClock).post('{}');
      expect(answer).toMatchObject({ reason: expect.not.stringContaining('gRPC') });
    },
  );
});
