import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { useChildren } from '../support/process/use-children.ts';

const SCRIPT = fileURLToPath(new URL('../../deploy/release.sh', import.meta.url));

const children = useChildren();
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A control server that answers an offline with `offline`, and is ready at the question of this number. */
async function control({ offline = 200, readyAt = 1 }) {
  const asked: string[] = [];
  let questions = 0;
  const server = createServer(({ method, url }, response) => {
    asked.push(`${method} ${url}`);
    response.writeHead(method === 'POST' ? offline : ++questions >= readyAt ? 200 : 503).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close().closeAllConnections());
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function release(url: string, command: readonly string[], wait = '10') {
  return children.run('sh', [SCRIPT, ...command], { env: { CONTROL: url, WAIT: wait } });
}

const RESTART = ['sh', '-c', 'echo "restarted $0"', 'orders'];

it('release.sh takes the instance out, restarts it, and waits until it is ready', async () => {
  const { asked, url } = await control({ readyAt: 3 });
  const child = release(url, RESTART);
  expect(await child.ends()).toEqual({ code: 0, signal: null });
  expect(child.lines).toEqual(['restarted orders']);
  expect(asked).toEqual(['POST /offline?wait=true', ...Array(3).fill('GET /readiness')]);
});

it('release.sh restarts nothing when the instance was not taken out', async () => {
  const { url } = await control({ offline: 409 });
  const child = release(url, RESTART);
  expect(await child.ends()).toEqual({ code: 1, signal: null });
  expect(child.lines).toEqual([]);
  expect(child.stderr).toContain('nothing was restarted');
});

it('release.sh fails when the instance does not come back', async () => {
  const { url } = await control({ readyAt: Number.POSITIVE_INFINITY });
  const child = release(url, RESTART, '1');
  expect(await child.ends()).toEqual({ code: 3, signal: null });
  expect(child.stderr).toContain('is not ready 1 s after: sh -c');
});

it('release.sh passes on the exit code of the restart', async () => {
  const { url } = await control({});
  expect(await release(url, ['sh', '-c', 'exit 7']).ends()).toEqual({ code: 7, signal: null });
});

it('release.sh prints its usage', async () => {
  const child = release('http://127.0.0.1:1', []);
  expect(await child.ends()).toEqual({ code: 2, signal: null });
  expect(child.stderr).toContain('usage: release.sh COMMAND');
});
