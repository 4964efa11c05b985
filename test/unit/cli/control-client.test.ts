import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { callControl, controlArgs } from '../../../src/cli/control-client.ts';

const directory = mkdtempSync(join(tmpdir(), 'lossless-control-'));
const server = createServer((request, response) =>
  response.end(JSON.stringify({ authorization: request.headers.authorization ?? 'none' })),
).listen(0, '127.0.0.1');
afterEach(() => vi.unstubAllEnvs());
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

const file = join(directory, 'secret');
writeFileSync(file, 'hunter2\n');

test.each([
  ['none', {}],
  ['Bearer hunter2', { LOSSLESS_SECRET: 'hunter2' }],
  ['Bearer hunter2', { LOSSLESS_SECRET_FILE: file }],
])('sends %s with %j', async (expected, env) => {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  if (!server.listening) await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const answer = await callControl(controlArgs(['--port', String(port)]), 'GET', '/status');
  expect(answer).toEqual({ status: 200, body: { authorization: expected } });
});
