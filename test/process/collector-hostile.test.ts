import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { hex, sendOtlp, shutdownBodies } from '../support/observe/otlp.ts';
import { attributes, foreignBody } from '../support/observe/otlp-foreign.ts';
import type { Child } from '../support/process/child.ts';
import { CLI } from '../support/process/cli.ts';
import { LINE, NODES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const MIB = 1_048_576;

const directory = useScratchFolder();

const children = useChildren();
let collector: Child;
let url: string;
let database: string;

async function start(...more: string[]): Promise<void> {
  // Without a flag that hides warnings, because the test checks what a user sees.
  collector = children.run(NODES['22.19'], [
    CLI,
    'collector',
    '--port',
    '0',
    '--query-port',
    '0',
    '--db',
    database,
    ...more,
  ]);
  url = (await collector.sees(/queries: (\S+)/))[1] ?? '';
  await collector.sees(/database: /);
}

beforeEach(async () => {
  database = join(directory, `${hex(4)}.sqlite`);
  await start();
});

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Iterable<Buffer | string>;
}

/** One request, in chunks; resolves with the answer, also when it comes before the body has been sent. */
function call({ path = '/v1/traces', method = 'POST', headers = {}, body = [] }: Sent): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${url}${path}`,
      { method, headers: { 'content-type': 'application/json', ...headers }, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    let isAnswered = false;
    sent.on('response', () => {
      isAnswered = true;
    });
    // The rest of a body that is refused goes nowhere.
    sent.on('error', (error) => {
      if (!isAnswered) reject(error);
    });
    const chunks = body[Symbol.iterator]();
    const next = (): void => {
      const { value, done } = chunks.next();
      if (done || isAnswered) sent.end();
      else sent.write(value, () => setImmediate(next));
    };
    next();
  });
}

function* repeated(chunk: Buffer, times: number): Generator<Buffer> {
  for (let n = 0; n < times; n++) yield chunk;
}

function residentMib(): number {
  const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readStatus()) ?? [];
  return Number(kib) / 1_024;
}

function readStatus(): string {
  return process.getBuiltinModule('node:fs').readFileSync(`/proc/${collector.pid}/status`, 'utf8');
}

/** Still takes a shutdown and shows it. */
async function isWell(): Promise<void> {
  const { traceId, bodies } = shutdownBodies('well', 2);
  await sendOtlp(url, bodies);
  const { status, body } = await call({ method: 'GET', path: `/api/traces/${traceId}` });
  expect(status).toBe(200);
  expect(JSON.parse(body).data[0].spans).toHaveLength(11);
}

describe('lossless collector survives', () => {
  test.each([
    ['an announced body of 100 MB', { 'content-length': String(100 * MIB) }],
    ['a body of 100 MB in chunks', { 'transfer-encoding': 'chunked' }],
  ])('%s gets 413 and takes no memory', async (_, headers) => {
    const { status, body } = await call({
      headers: headers as Record<string, string>,
      body: repeated(Buffer.alloc(MIB, 32), 100),
    });
    expect(status).toBe(413);
    expect(JSON.parse(body)).toEqual({ code: 8, message: expect.stringContaining('expected at most') });
    expect(residentMib()).toBeLessThan(300);
    await isWell();
  });

  test('a sender that goes on after a refusal gets the answer, and is cut soon', async () => {
    const { port, hostname } = new URL(url);
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    const closed = new Promise<void>((resolve) => socket.on('error', () => {}).once('close', () => resolve()));
    const length = 1_024 * MIB;
    socket.write(
      `POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`,
    );
    const goOn = setInterval(() => socket.write(' '.repeat(1_024)), 10);
    await closed;
    clearInterval(goOn);
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    await isWell();
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ])(
    'a small %s body that unpacks to 1 GB gets 413 at the bound',
    async (encoding, pack) => {
      const bomb = pack(Buffer.alloc(1_024 * MIB, 32), { level: 1 });
      expect(bomb.length).toBeLessThan(6 * MIB);
      const { status } = await call({ headers: { 'content-encoding': encoding }, body: [bomb] });
      expect(status).toBe(413);
      expect(residentMib()).toBeLessThan(400);
      await isWell();
    },
    60_000,
  );

  test.each([
    ['lists 5,000,000 deep', '['.repeat(5_000_000), 413],
    ['lists 5,000,000 deep, all closed', '['.repeat(5_000_000) + ']'.repeat(5_000_000), 413],
    [
      'lists 1,000,000 deep inside resourceSpans',
      `{"resourceSpans":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`,
      400,
    ],
    ['a key __proto__', '{"__proto__":{"resourceSpans":1},"resourceSpans":[]}', 200],
    ['null', 'null', 200],
    ['text', '"x"', 400],
    ['nothing', '', 400],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0]), 400],
  ])('JSON: %s', async (_, body, expected) => {
    const { status } = await call({ body: [body] });
    expect(status).toBe(expected);
    await isWell();
  });

  test('attributes nested 100,000 deep: kept to a depth', async () => {
    const depth = 100_000;
    const nested = `${'{"arrayValue":{"values":['.repeat(depth)}{"intValue":"1"}${']}}'.repeat(depth)}`;
    const traceId = hex(16);
    const span = `{"traceId":"${traceId}","spanId":"${hex(8)}","name":"deep","attributes":[{"key":"deep","value":${nested}}]}`;
    const { status } = await call({ body: [`{"resourceSpans":[{"scopeSpans":[{"spans":[${span}]}]}]}`] });
    expect(status).toBe(200);
    const answer = await call({ method: 'GET', path: `/api/traces/${traceId}` });
    expect(answer.status).toBe(200);
    expect(answer.body.length).toBeLessThan(2_000);
    await isWell();
  });

  test.each([
    ['a whole number beyond 64 bits', { attributes: attributes({ n: { intValue: '9223372036854775808' } }) }, 'kept'],
    ['an infinite number', { attributes: attributes({ n: { doubleValue: '1e999' } }) }, 'kept'],
    ['NaN', { attributes: attributes({ n: { doubleValue: 'NaN' } }) }, 'kept'],
    ['a time beyond 64 bits', { startTimeUnixNano: '9'.repeat(21) }, 'rejected'],
    ['the last time of 64 bits', { startTimeUnixNano: '18446744073709551615', endTimeUnixNano: '0' }, 'kept'],
    ['a negative time', { startTimeUnixNano: '-1' }, 'rejected'],
    ['an unknown kind', { kind: 1e300 }, 'kept'],
    ['a status that is text', { status: 'bad' }, 'rejected'],
    ['an id of zeros', { spanId: '0'.repeat(16) }, 'rejected'],
    ['thousands of links and events', { links: Array(9_999).fill({}), events: Array(9_999).fill({}) }, 'kept'],
  ])('%s', async (_, more, expected) => {
    const traceId = hex(16);
    const span = { traceId, spanId: hex(8), name: 'odd', ...more };
    const { status, body } = await call({
      body: [JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })],
    });
    expect(status, body).toBe(200);
    expect(Number(JSON.parse(body).partialSuccess.rejectedSpans ?? 0)).toBe(expected === 'kept' ? 0 : 1);
    const search = '/api/traces?service=missing-service-name&start=0&end=9000000000000000';
    for (const path of [`/api/traces/${traceId}`, `/api/v3/traces/${traceId}`, search])
      expect((await call({ method: 'GET', path })).status).toBe(expected === 'kept' || path === search ? 200 : 404);
    await isWell();
  });

  test.each([
    ['empty resources', 'resourceSpans'],
    ['empty scopes', 'scopeSpans'],
  ])('32 MiB of %s, packed small: the collector refuses the request before it builds the values', async (_, list) => {
    const many = `"${list}":[${'{},'.repeat(11_000_000)}{}]`;
    const body = list === 'resourceSpans' ? `{${many}}` : `{"resourceSpans":[{${many}}]}`;
    const answer = await call({ headers: { 'content-encoding': 'gzip' }, body: [gzipSync(body)] });
    expect(answer).toMatchObject({ status: 413, body: expect.stringContaining('values in one request') });
    expect(residentMib()).toBeLessThan(400);
    await isWell();
  });

  test.each(['GZIP', 'X-Gzip', ' gzip '])('content-encoding %s, which means gzip', async (encoding) => {
    const { traceId, bodies } = shutdownBodies('packed', 1);
    const { status } = await call({ headers: { 'content-encoding': encoding }, body: [gzipSync(bodies[0] ?? '')] });
    expect(status).toBe(200);
    expect((await call({ method: 'GET', path: `/api/traces/${traceId}` })).status).toBe(200);
  });

  test('a bad span among good ones: only the bad one is rejected, and the answer says why', async () => {
    const traceId = hex(16);
    const spans = [{ spanId: hex(8) }, { spanId: 'bad' }, { spanId: hex(8) }].map((span) => ({ traceId, ...span }));
    const { status, body } = await call({ body: [JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] })] });
    expect({ status, ...JSON.parse(body) }).toEqual({
      status: 200,
      partialSuccess: { rejectedSpans: '1', errorMessage: 'spanId is not 16 hexadecimal digits' },
    });
    const answer = await call({ method: 'GET', path: `/api/traces/${traceId}` });
    expect(JSON.parse(answer.body).data[0].spans).toHaveLength(2);
  });

  test('one large resource of many spans, which is stored once', async () => {
    const resource = {
      attributes: attributes({ 'service.name': { stringValue: 'large' }, big: { stringValue: 'x'.repeat(2 * MIB) } }),
    };
    const traceId = hex(16);
    const spans = Array.from({ length: 10_000 }, () => ({ traceId, spanId: hex(8), name: 'n' }));
    const scope = { name: 's'.repeat(MIB) };
    const { status } = await call({
      body: [JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope, spans }] }] })],
    });
    expect(status).toBe(200);
    const answer = await call({ method: 'GET', path: `/api/traces/${traceId}` });
    expect(answer.status).toBe(200);
    expect(answer.body.length).toBeLessThan(16 * MIB);
    await isWell();
  });

  test('scripts and control characters in attributes: they come back as JSON that no browser takes for a page', async () => {
    const { traceId, body } = foreignBody(Date.now());
    await sendOtlp(url, [body]);
    const answer = await call({ method: 'GET', path: `/api/traces/${traceId}` });
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    const spans = JSON.parse(answer.body).data[0].spans as { tags: object[] }[];
    expect(spans.flatMap((span) => span.tags)).toContainEqual({
      key: 'text',
      type: 'string',
      value: '<script>alert("x")</script> \u0000 \u001b[31m ü 😀',
    });
    const { stdout } = await ended(children.run(NODES[LINE], [CLI, 'inspect', traceId, '--url', url]));
    expect(stdout).not.toContain('\u001b');
  });

  test.each([
    ['text', { headers: { 'content-type': 'text/plain' } }, 415, /OTEL_EXPORTER_OTLP_PROTOCOL=http\/protobuf/],
    [
      'JSON with the content type of Protobuf',
      { headers: { 'content-type': 'application/x-protobuf' }, body: ['{}'] },
      400,
      /not Protobuf/,
    ],
    [
      'a small body of ten million Protobuf values',
      {
        headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' },
        body: [gzipSync(Buffer.alloc(20_000_000, Buffer.from([0x0a, 0])))],
      },
      413,
      /at most 3000000 values/,
    ],
    ['no content type', { headers: { 'content-type': '' } }, 415, /expected application\/json/],
    ['an unknown encoding', { headers: { 'content-encoding': 'br' } }, 415, /gzip/],
    ['JSON with the encoding gzip', { headers: { 'content-encoding': 'gzip' }, body: ['{}'] }, 400, /cannot be read/],
    [
      'truncated gzip',
      { headers: { 'content-encoding': 'gzip' }, body: [gzipSync('{}').subarray(0, 15)] },
      400,
      /cannot be read/,
    ],
    ['GET for spans', { method: 'GET' }, 405, /POST/],
    ['POST for traces', { path: '/api/traces' }, 405, /GET/],
    ['invalid metrics', { path: '/v1/metrics', body: ['[]'] }, 400, /not an object/],
    ['logs', { path: '/v1/logs' }, 404, /v1\/metrics/],
    ['an unknown path', { method: 'GET', path: '/nothing' }, 404, /\/nothing/],
    ['a path that is not UTF-8', { method: 'GET', path: '/api/services/%ff%zz/operations' }, 400, /malformed/],
    ['a malformed path', { method: 'GET', path: '//' }, 400, /malformed/],
    ['a name of Object.prototype', { method: 'GET', path: '/api/constructor' }, 404, /nothing/],
    [
      'SQL in a parameter',
      { method: 'GET', path: `/api/operations?service=${encodeURIComponent(`'; DROP TABLE span; --`)}` },
      200,
      /\[\]/,
    ],
  ])('%s', async (_, sent, expected, words) => {
    const { headers, status, body } = await call(sent as Sent);
    expect(status).toBe(expected);
    expect(body).toMatch(words);
    if (headers['content-type'] !== 'application/x-protobuf') JSON.parse(body);
    await isWell();
  });

  test('a foreign page whose name resolves to this machine: every request is refused; names of this machine work', async () => {
    for (const host of ['evil.example', 'evil.example:16686', '127.0.0.1.evil.example', 'localhost.evil.example'])
      for (const path of ['/', '/api/services', '/metrics', '/page/shutdowns']) {
        const { status, body } = await call({ method: 'GET', path, headers: { host } });
        expect(status, `${host} ${path}`).toBe(403);
        expect(body).toContain('--host');
      }
    for (const host of ['localhost', 'LOCALHOST:1', 'jaeger.localhost', '127.0.0.1', '[::1]:4318', '10.0.0.1:80'])
      expect((await call({ method: 'GET', path: '/api/services', headers: { host } })).status, host).toBe(200);
  });

  test('a sender that goes away in the middle, packed or not', async () => {
    for (const encoding of ['identity', 'gzip']) {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      await new Promise((resolve) => socket.once('connect', resolve));
      const head = `POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-encoding: ${encoding}\r\ncontent-length: 1000\r\n\r\n`;
      await new Promise<void>((resolve) => socket.write(head, () => resolve()));
      await new Promise<void>((resolve) => socket.write(gzipSync('{}').subarray(0, 12), () => resolve()));
      socket.destroy();
    }
    await isWell();
  });
});

describe('lossless collector keeps', () => {
  test('every span that it has answered with 200, over a SIGKILL', async () => {
    const { traceId, bodies } = shutdownBodies('kept', 250);
    await sendOtlp(url, bodies);
    collector.signal('SIGKILL');
    await collector.ends();
    await start();
    const answer = await call({ method: 'GET', path: `/api/traces/${traceId}` });
    expect(JSON.parse(answer.body).data[0].spans).toHaveLength(507);
  });

  test('250 consumers that send at the same time, each span once though all are sent twice', async () => {
    const { traceId, bodies } = shutdownBodies('twice', 250);
    await Promise.all([...bodies, ...bodies].map((body) => sendOtlp(url, [body])));
    const { stdout } = await ended(children.run(NODES[LINE], [CLI, 'inspect', traceId, '--url', url, '--json']));
    expect(JSON.parse(stdout)).toMatchObject({
      whole: true,
      spans: 507,
      planned: 250,
      acked: 250,
      refreshes: 250,
      orphans: 0,
    });
  });

  test('no more than its bound: the traces that came first make room', async () => {
    collector.signal('SIGTERM');
    expect(await collector.ends()).toEqual({ code: 0, signal: null });
    await start('--max-size', '2');
    const sent = Array.from({ length: 40 }, () => shutdownBodies('bounded', 100));
    for (const { bodies } of sent) await sendOtlp(url, bodies);
    const statuses = await Promise.all(
      sent.map(({ traceId }) => call({ method: 'GET', path: `/api/traces/${traceId}` })),
    );
    expect(statuses.at(0)?.status).toBe(404);
    expect(statuses.at(-1)?.status).toBe(200);
    const size = process.getBuiltinModule('node:fs').statSync(database).size;
    expect(size).toBeLessThan(4 * MIB);
  }, 60_000);
});

describe('lossless collector says', () => {
  test('where it listens, and nothing else', async () => {
    expect(collector.stdout).toMatch(
      /^OTLP\/HTTP \(JSON\): http:\/\/127\.0\.0\.1:\d+\npage and queries: http:\/\/127\.0\.0\.1:\d+\ndatabase: .+\n$/,
    );
    expect(collector.stderr).toBe('');
  });

  test('that a port is taken, and what to do', async () => {
    const port = new URL(url).port;
    const child = children.run(NODES[LINE], [
      CLI,
      'collector',
      '--port',
      port,
      '--query-port',
      '0',
      '--db',
      ':memory:',
    ]);
    expect(await child.ends()).toEqual({ code: 2, signal: null });
    expect(child.stderr).toMatch(
      /^LOSSLESS_USAGE: the collector cannot start \(.*EADDRINUSE.*\); choose another --port/,
    );
  });

  test.each([
    [['--port', '70000'], /--port must be a whole number/],
    [['--max-age', '0'], /--max-age must be/],
    [['--unknown'], /usage: lossless collector/],
    [['--db', '/dev/null/none/traces.sqlite'], /\/dev\/null/],
  ])('what is wrong with the arguments %j', async (args, words) => {
    const child = children.run(NODES[LINE], [CLI, 'collector', '--port', '0', '--query-port', '0', ...args]);
    expect(await child.ends()).toEqual({ code: 2, signal: null });
    expect(child.stderr).toMatch(words);
    expect(child.stdout).toBe('');
  });
});

async function ended(child: Child): Promise<Child> {
  await child.ends();
  return child;
}
