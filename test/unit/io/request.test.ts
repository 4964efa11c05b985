import { Agent, createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Peer } from '../../../src/io/connect.ts';
import { type Answer, NoAnswer, partsOf, type Request, request } from '../../../src/io/request.ts';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { certificate } from '../../support/tls/certificate.ts';

async function listening(server: Server, at: object = { host: '127.0.0.1', port: 0 }): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(at, resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return server;
}

async function serve(listener: RequestListener): Promise<Peer> {
  const server = await listening(createServer(listener));
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

/** The default request. */
const asked = (to: Peer, more: Partial<Request> = {}): Request => ({
  clock: systemClock,
  to,
  tls: undefined,
  path: '/',
  timeoutMs: 5_000,
  ...more,
});
const text = (answer: Answer): Promise<string> => answer.text(1_000);

describe('a request', () => {
  test('carries its body as JSON, past every agent, with the given headers alone', async () => {
    const seen: unknown[] = [];
    const to = await serve(({ headers, method, url }, response) => {
      seen.push({ headers, method, url });
      response.end('{}');
    });
    const addRequest = vi.spyOn(Agent.prototype as Agent & { addRequest(): void }, 'addRequest');
    onTestFinished(() => addRequest.mockRestore());
    expect(await request(asked(to, { method: 'POST', path: '/a?b', body: '"ü"' }), text)).toBe('{}');
    expect(addRequest).not.toHaveBeenCalled();
    const host = 'host' in to && `${to.host}:${to.port}`;
    const headers = { host, 'content-type': 'application/json', 'content-length': '4', connection: 'close' };
    expect(seen).toEqual([{ method: 'POST', url: '/a?b', headers }]);
  });

  test('goes to a Unix socket too', async () => {
    const socketPath = join(tmpdir(), `lossless-request-${process.pid}.sock`);
    await listening(
      createServer(({ headers }, response) => void response.end(headers.host)),
      { path: socketPath },
    );
    expect(await request(asked({ socketPath }), text)).toBe('localhost');
  });

  test('over TLS names the host, and no port that is the usual one', async () => {
    const { key, cert } = await certificate();
    const server = await listening(
      createTlsServer({ key, cert }, ({ headers }, response) => void response.end(headers.host)),
    );
    const { port } = server.address() as AddressInfo;
    const to = { host: 'localhost', port };
    expect(await request(asked(to, { tls: { ca: cert } }), text)).toBe(`localhost:${port}`);
    await expect(request(asked(to, { tls: {} }), text)).rejects.toThrow('self-signed certificate');
    expect(partsOf(new URL('https://u:p%40@[::1]/x?y'))).toEqual({
      to: { host: '::1', port: 443 },
      path: '/x?y',
      auth: 'u:p@',
    });
  });

  test('ends its connection when its reader has ended', async () => {
    const closed = Promise.withResolvers<void>();
    const to = await serve((incoming, response) => {
      incoming.socket.once('close', () => closed.resolve());
      response.write('endless');
    });
    expect(await request(asked(to), ({ status }) => status)).toBe(200);
    await closed.promise;
  });
});

describe('a failure', () => {
  test('of several addresses has a message', async () => {
    const lookup = Object.assign(new AggregateError([new Error('one')]), { code: 'ECONNREFUSED' });
    const failing = vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket) {
      return this.destroy(lookup);
    });
    onTestFinished(() => failing.mockRestore());
    await expect(request(asked({ host: 'localhost', port: 1 }), text)).rejects.toMatchObject({
      message: 'ECONNREFUSED',
      code: 'ECONNREFUSED',
    });
  });

  test('does not come from an application that has replaced net.connect', async () => {
    const to = await serve((_, response) => void response.end('answered'));
    const replaced = vi.spyOn(process.getBuiltinModule('node:net'), 'connect');
    onTestFinished(() => replaced.mockRestore());
    expect(await request(asked(to), text)).toBe('answered');
    expect(replaced).not.toHaveBeenCalled();
  });

  test.each([
    ['no answer', () => {}],
    ['only half an answer', (_, response) => void response.writeHead(200, { 'content-length': 9 }).write('half')],
  ] satisfies [string, RequestListener][])('%s in time is a failure that says so', async (_, listener) => {
    const to = await serve(listener);
    const failed = request(asked(to, { timeoutMs: 50 }), text);
    await expect(failed).rejects.toThrow(NoAnswer);
    await expect(failed).rejects.toThrow(/^no answer within 50 ms$/);
  });

  test('reaches the reader of the body, which may know enough already', async () => {
    const to = await serve((_, response) => void response.writeHead(200, { 'content-length': 9 }).write('half'));
    const status = await request(asked(to, { timeoutMs: 50 }), async (answer) => {
      await expect(text(answer)).rejects.toThrow(NoAnswer);
      return answer.status;
    });
    expect(status).toBe(200);
  });

  test('a signal ends a request with the reason of the signal, also before the request is sent', async () => {
    const to = await serve(() => {});
    const ending = new AbortController();
    const failed = request(asked(to, { signal: ending.signal }), text);
    ending.abort(new Error('enough'));
    await expect(failed).rejects.toThrow('enough');
    await expect(request(asked(to, { signal: ending.signal }), text)).rejects.toThrow('enough');
  });

  test('an answer that is cut', async () => {
    const to = await serve((_, response) => void response.write('half', () => response.destroy()));
    await expect(request(asked(to), text)).rejects.toThrow(/aborted|closed/);
  });

  test('an answer that is longer than its reader takes', async () => {
    const to = await serve((_, response) => void response.end('x'.repeat(1_001)));
    await expect(request(asked(to), text)).rejects.toThrow('the answer has more than 1000 bytes');
    const lines = request(asked(to), (answer) => answer.lines(1_000, () => {}));
    await expect(lines).rejects.toThrow('more than 1000 characters');
  });
});

describe('an answer in lines', () => {
  test('hands on each line that is not blank, however it is cut, until the end or until no more are wanted', async () => {
    const to = await serve((_, response) => {
      response.write('one\n\ntw');
      setImmediate(() => response.end('o\nthree\nfour'));
    });
    const read = async (last: string): Promise<readonly string[]> => {
      const seen: string[] = [];
      await request(asked(to), (answer) => answer.lines(100, (line) => seen.push(line) > 0 && line !== last));
      return seen;
    };
    expect(await read('none')).toEqual(['one', 'two', 'three']);
    expect(await read('two')).toEqual(['one', 'two']);
  });

  test('may take longer than the time-out once that is cancelled', async () => {
    const end = Promise.withResolvers<void>();
    const to = await serve((_, response) => {
      response.write('first\n');
      void end.promise.then(() => response.end('second\n'));
    });
    const seen: string[] = [];
    const over = request(asked(to, { timeoutMs: 200 }), (answer) =>
      answer.lines(100, (line) => {
        answer.late?.cancel();
        if (seen.push(line) === 1) systemClock.after(300, end.resolve);
      }),
    );
    await over;
    expect(seen).toEqual(['first', 'second']);
  });
});
