import { createServer, type RequestListener } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { JaegerClient } from '../../../src/cli/jaeger-client.ts';
import { listening, portOf } from '../../support/listening.ts';

/** A client of something that answers like this. */
async function clientOf(listener: RequestListener, path = ''): Promise<JaegerClient> {
  const server = createServer(listener);
  await listening(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return new JaegerClient(new URL(`http://127.0.0.1:${portOf(server)}${path}`));
}

const answering =
  (status: number, type: string, body: string): RequestListener =>
  (_, response) =>
    response.writeHead(status, { 'content-type': type }).end(body);

const ID = 'a'.repeat(32);
const refused = { data: null, errors: [{ code: 400, msg: "parameter 'service' is required" }] };
const bare = {
  traceID: '1',
  spans: [{ spanID: '2', operationName: 'x\u001b[2Jy', startTime: 1_500, duration: 250, processID: 'p1' }],
  processes: {},
};

describe('a client of Jaeger', () => {
  test.each([
    ['no server listens', undefined],
    ['Jaeger answers an unknown path with its user interface', answering(200, 'text/html', '<!DOCTYPE html>')],
    ['a server answers a missing path with a page', answering(404, 'text/html', 'not found')],
    ['a server answers the JSON of another API', answering(200, 'application/json', '{"status":"ok"}')],
    ['a server answers a list', answering(200, 'application/json', '[1]')],
    ['a server answers traces of another form', answering(200, 'application/json', '{"data":[{"batches":[]}]}')],
    [
      'a server cuts its answer off',
      ((_, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{');
        setImmediate(() => response.destroy());
      }) satisfies RequestListener,
    ],
  ])('%s: one line says so, with what to do', async (_, listener) => {
    const client = listener === undefined ? new JaegerClient(new URL('http://127.0.0.1:1')) : await clientOf(listener);
    await expect(client.trace(ID)).rejects.toMatchObject({
      code: 'LOSSLESS_COLLECTOR_UNREACHABLE',
      message: expect.stringMatching(/--url|expected/),
    });
  });

  test('a refusal of Jaeger is reported in its words, although it labels its JSON as text', async () => {
    const client = await clientOf(answering(400, 'text/plain; charset=utf-8', JSON.stringify(refused)));
    await expect(client.search({ service: '' })).rejects.toThrow("answered 400: parameter 'service' is required");
  });

  test('404 is an unknown trace', async () => {
    const client = await clientOf(
      answering(404, 'text/plain', '{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}'),
    );
    await expect(client.trace(ID)).rejects.toMatchObject({ code: 'LOSSLESS_TRACE_NOT_FOUND' });
  });

  test('a store without services answers null', async () => {
    const client = await clientOf(answering(200, 'application/json', '{"data":null}'));
    expect(await client.services()).toEqual([]);
  });

  test('missing fields, short ids and control characters do no harm', async () => {
    const client = await clientOf(answering(200, 'application/json', JSON.stringify({ data: [bare] })));
    expect(await client.trace(ID)).toEqual({
      traceId: '1'.padStart(32, '0'),
      spans: [
        {
          spanId: '2',
          parentSpanId: '',
          name: 'x\ufffd[2Jy',
          service: '',
          start: 1.5,
          durationMs: 0.25,
          isError: false,
          message: '',
          tags: {},
        },
      ],
    });
  });

  test('asks below the path of its URL, in microseconds', async () => {
    let asked = '';
    const client = await clientOf((request, response) => {
      asked = request.url ?? '';
      response.end('{"data":[]}');
    }, '/jaeger/');
    expect(await client.search({ service: 'a b', tags: { x: 'y' }, since: 1.5, until: 2.0001 })).toEqual([]);
    expect(asked).toBe('/jaeger/api/traces?service=a+b&limit=100&tags=%7B%22x%22%3A%22y%22%7D&start=1500&end=2001');
  });
});
