import { writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { callControl, controlArgs } from '../../../src/cli/control-client.ts';
import { command as offline } from '../../../src/cli/offline.ts';
import { command as online } from '../../../src/cli/online.ts';
import { command as status } from '../../../src/cli/status.ts';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import type { Keys } from '../../../src/protocol/keys.ts';
import { CHALLENGE_PATH, Operators, placeOf } from '../../../src/protocol/operator.ts';
import { keysOf } from '../../support/keys.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';
import { useServer } from '../../support/use-server.ts';

const directory = useScratchFolder();
const file = join(directory, 'secret');
const SECRET = 'hunter2hunter2hunter2';
writeFileSync(file, `${SECRET}\n`);
const printed: string[] = [];
const IO = {
  out: (text: string) => printed.push(text),
  err: (text: string) => printed.push(text),
  color: false,
  width: 80,
};
afterEach(() => {
  vi.unstubAllEnvs();
});

/** Arguments that name a server that answers so. */
async function serverOf(handle: RequestListener): Promise<string[]> {
  const server = createServer(handle);
  const port = await useServer(server);
  return ['--port', String(port)];
}

test('without a secret it shows nothing, and asks for no proof', async () => {
  const seen: string[] = [];
  const args = await serverOf(({ headers, url }, response) => {
    seen.push(`${url} ${headers.authorization}`);
    response.end('{"state":"serving"}');
  });
  expect(await callControl(controlArgs(args), 'GET', '/status')).toEqual({ status: 200, body: { state: 'serving' } });
  expect(seen).toEqual(['/status undefined']);
});

describe.each([{ LOSSLESS_SECRET: SECRET }, { LOSSLESS_SECRET_FILE: file }])('with %j', (env) => {
  beforeEach(() => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  });

  test('it sends an instance an authorization for one request only', async () => {
    const operators = new Operators(keysOf(SECRET), systemClock);
    const seen: (string | undefined)[] = [];
    const args = await serverOf(({ headers: { authorization }, method = '', socket, url = '' }, response) => {
      const place = placeOf(socket.localAddress, socket.localPort);
      seen.push(authorization);
      if (url.startsWith(CHALLENGE_PATH))
        return response.end(JSON.stringify({ proofs: operators.answer(url.split('nonce=')[1] ?? '', place) }));
      const proved = operators.isProved(authorization, method, url, place);
      return response.end(
        JSON.stringify({ state: 'serving', proved, again: operators.isProved(authorization, method, url, place) }),
      );
    });
    const { body } = await callControl(controlArgs(args), 'POST', '/offline?wait=true');
    expect(body).toEqual({ state: 'serving', proved: true, again: false });
    expect(seen[0]).toBeUndefined();
    expect(seen[1]).toMatch(/^Lossless t=\d+;n=/);
  });

  test.each([
    ['answers as an instance would', () => '{"state":"serving","result":"success"}'],
    ['echoes its request', (url: string) => JSON.stringify({ proofs: [url.split('nonce=')[1]] })],
    [
      'has another secret',
      (url: string, port: number) => proofs(keysOf('another secret of others'), url, placeOf('127.0.0.1', port)),
    ],
    [
      'passes the challenge on to an instance at another port',
      (url: string, port: number) => proofs(keysOf(SECRET), url, placeOf('127.0.0.1', port + 1)),
    ],
    [
      'passes the challenge on to an instance on another machine',
      (url: string, port: number) => proofs(keysOf(SECRET), url, placeOf('10.0.0.7', port)),
    ],
    ['answers nothing', () => ''],
  ])('the command sends nothing secret to a listener that %s', async (_, answer) => {
    const seen: unknown[] = [];
    const args = await serverOf(({ headers, method, url = '', socket }, response) => {
      seen.push([method, url.split('?')[0], headers.authorization]);
      response.end(answer(url, socket.localPort ?? 0));
    });
    await expect(callControl(controlArgs(args), 'POST', '/offline')).rejects.toThrow('cannot prove');
    expect(seen).toEqual([['GET', CHALLENGE_PATH, undefined]]);
  });
});

function proofs(keys: Keys, url: string, place: string): string {
  return JSON.stringify({ proofs: new Operators(keys, systemClock).answer(url.split('nonce=')[1] ?? '', place) });
}

describe('the command prints one clear message for an answer of another program', () => {
  test.each([
    ['text', 200, '"ok"\n', /^LOSSLESS_CONTROL_PORT: no instance answers at .* received 200 and "ok"; name its port/],
    ['JSON of another program', 200, '{"state":"up"}', /received 200 and \{"state":"up"\}/],
    ['an empty answer', 204, '', /received 204 and nothing/],
    ['control characters', 200, '\u001b[2Jgone', /received 200 and \ufffd\[2Jgone/],
    ['an unknown path', 404, '{"message":"Not Found"}', /received 404 and \{"message":"Not Found"\}/],
    ['a refusal', 403, '{"message":"not you"}', /^LOSSLESS_CONTROL_PORT: .* refuses: not you; set the LOSSLESS_SECRET/],
  ])('%s', async (_, status, answer, message) => {
    const args = await serverOf((_request, response) => response.writeHead(status).end(answer));
    await expect(callControl(controlArgs(args), 'POST', '/online')).rejects.toThrow(message);
  });

  test('a connection that is cut', async () => {
    const args = await serverOf((_request, response) => response.write('{', () => response.destroy()));
    await expect(callControl(controlArgs(args), 'GET', '/status')).rejects.toThrow(
      /^LOSSLESS_CONTROL_PORT: no instance/,
    );
  });

  test.each([
    ['an empty answer', () => {}],
    ['half an answer', (_, response) => response.write('{')],
  ] satisfies [string, RequestListener][])('an answer without an end: %s', async (_, handle) => {
    const args = controlArgs(await serverOf(handle));
    expect(args.patienceMs).toBe(10_000);
    await expect(callControl({ ...args, patienceMs: 50 }, 'GET', '/status')).rejects.toThrow(/no answer within 50 ms/);
  });
});

describe('a foreign server that answers like an instance', () => {
  test.each([
    {},
    { registry: null, requests: {}, consumers: {}, calls: {} },
    { registry: {}, requests: {}, consumers: { services: 7 }, calls: { services: 'x', goAways: {} } },
    {
      registry: {},
      requests: {},
      consumers: { services: {} },
      calls: { services: { a: { instances: 7 } }, goAways: {} },
    },
  ])('a status without some parts gives one clear message: %j', async (parts) => {
    const args = await serverOf((_, response) => response.end(JSON.stringify({ state: 'serving', ...parts })));
    await expect(status.run(args, IO)).rejects.toThrow(
      /^LOSSLESS_CONTROL_PORT: no instance answers at .*: expected its status, received JSON that lacks parts of it/,
    );
  });

  test.each([
    ['offline', offline],
    ['online', online],
    ['status', status],
  ])('%s prints no control characters of such a server', async (_, command) => {
    const evil = '\u001b[2J\u009b31m';
    const args = await serverOf((_request, response) =>
      response.end(JSON.stringify({ state: 'serving', message: evil, url: evil, traceId: evil, result: evil })),
    );
    printed.length = 0;
    await command.run([...args, ...(command === status ? ['--json'] : [])], IO);
    await command.run([...args, '--json'], IO);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(printed.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect(printed.length).toBeGreaterThan(1);
  });

  test('an endless answer is cut off', async () => {
    const args = await serverOf((_request, response) => {
      const timer = setInterval(() => response.write('x'.repeat(65_536)), 0);
      response.on('close', () => clearInterval(timer));
    });
    await expect(callControl(controlArgs(args), 'GET', '/status')).rejects.toThrow(
      /the answer has more than 4194304 bytes/,
    );
  });
});

describe('the chosen instance', () => {
  test.each([
    [{}, [], '/status'],
    [{ LOSSLESS_SERVICE: 'shop' }, [], '/status?service=shop'],
    [{ OTEL_SERVICE_NAME: 'shop' }, [], '/status?service=shop'],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'service.name=shop' }, [], '/status?service=shop'],
    [{ LOSSLESS_SERVICE: 'shop' }, ['--service', 'cart'], '/status?service=cart'],
    [{ LOSSLESS_SERVICE: 'shop' }, ['--instance', 'a:1&x'], '/status?service=shop&instance=a%3A1%26x'],
  ])('%j and %j ask for %s', async (env, more, path) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, String(value));
    const args = await serverOf(({ url }, response) => response.end(JSON.stringify({ state: 'serving', url })));
    expect((await callControl(controlArgs([...args, ...more]), 'GET', '/status')).body).toMatchObject({ url: path });
  });

  test('another instance that answers gives one clear message', async () => {
    const args = await serverOf((_request, response) =>
      response
        .writeHead(421)
        .end('{"code":"LOSSLESS_OTHER_INSTANCE","message":"the call names another instance; this is shop 1"}'),
    );
    await expect(callControl(controlArgs(args), 'POST', '/offline')).rejects.toThrow(
      /^LOSSLESS_OTHER_INSTANCE: 127\.0\.0\.1 port \d+: the call names another instance; this is shop 1; name its port with --port$/,
    );
  });
});

test('the command waits for an offline as long as it takes', () => {
  expect(controlArgs(['--wait']).patienceMs).toBeUndefined();
});

test.each([
  ['http', 'LOSSLESS_CONFIG_INVALID: LOSSLESS_CONTROL_PORT must be a whole number from 0 to 65535; received "http"'],
  ['0', 'LOSSLESS_USAGE: LOSSLESS_CONTROL_PORT is 0'],
])('LOSSLESS_CONTROL_PORT=%s does not fall back to 54199', (port, message) => {
  vi.stubEnv('LOSSLESS_CONTROL_PORT', port);
  vi.stubEnv('LOSSLESS_SPOOL_DIR', directory);
  expect(() => controlArgs([])).toThrow(message);
});
