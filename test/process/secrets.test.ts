import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CHALLENGE_PATH } from '../../src/protocol/operator.ts';
import { keysOf } from '../support/keys.ts';
import { appPortOf } from '../support/process/announced.ts';
import { lossless } from '../support/process/cli.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';
import { useServer } from '../support/use-server.ts';

const world = useWorld();

const OLD = 'the secret that goes';
const NEW = 'the secret that comes';
const FLEETS = { old: OLD, both: `${OLD}\n${NEW}`, turned: `${NEW}\n${OLD}`, new: NEW } as const;
type Fleet = keyof typeof FLEETS;

/** A mounted secret, as Kubernetes mounts and changes it: by the link of a link. */
class Mounted {
  readonly #directory: string;
  #version = 0;

  constructor(name: string, fleet: Fleet) {
    this.#directory = join(world().directory, `secret-${name}`);
    mkdirSync(this.#directory);
    this.change(FLEETS[fleet]);
    symlinkSync('..data/secret', this.path);
  }

  get path(): string {
    return join(this.#directory, 'secret');
  }

  get env() {
    return { LOSSLESS_SECRET_FILE: this.path, LOSSLESS_HOLD_MS: '3000' };
  }

  change(text: string): void {
    const version = `v${++this.#version}`;
    mkdirSync(join(this.#directory, version));
    writeFileSync(join(this.#directory, version, 'secret'), `${text}\n`);
    symlinkSync(version, join(this.#directory, '..next'));
    renameSync(join(this.#directory, '..next'), join(this.#directory, '..data'));
  }
}

/** What became of a shutdown. */
async function leaves(service: Service) {
  await world().leave(service);
  const { verdict } = await world().trace(service);
  const { result, planned, acked } = verdict;
  return { result, planned, acked };
}

const TOLD = { result: 'success', planned: 1, acked: 1 };

describe('a secret is replaced', () => {
  test.each([
    ['old', 'both'],
    ['both', 'old'],
    ['both', 'turned'],
    ['turned', 'both'],
    ['both', 'new'],
    ['new', 'both'],
    ['turned', 'old'],
    ['new', 'turned'],
  ] satisfies [Fleet, Fleet][])(
    'a provider with the secrets %s and a consumer with the secrets %s understand each other',
    async (one, other) => {
      const [provider, consumer] = [new Mounted('provider', one), new Mounted('consumer', other)];
      const leaving = await world().service('provider', { env: provider.env });
      await world().service('provider', { env: provider.env });
      const caller = await world().caller('http://provider/echo', 50, { env: consumer.env });
      await world().called(leaving);
      expect(await leaves(leaving)).toEqual(TOLD);
      expect(await caller.stop()).toMatchObject({ failed: 0 });
    },
  );

  test('in files of running processes, step by step: every consumer gets its GoAway', async () => {
    const mounted = new Mounted('caller', 'old');
    const files = Array.from({ length: 5 }, (_, n) => new Mounted(`provider-${n}`, 'old'));
    const providers: Service[] = [];
    for (const { env } of files) providers.push(await world().service('provider', { env }));
    const caller = await world().caller('http://provider/echo', 100, { env: mounted.env });
    let changes = 0;
    const callerHas = async (fleet: Fleet) => {
      mounted.change(FLEETS[fleet]);
      changes++;
      await until(() => (caller.child.stderr.match(/LOSSLESS_SECRET_FILE has changed: /g) ?? []).length === changes);
    };
    const providersHave = (fleet: Fleet) => {
      for (const file of files) file.change(FLEETS[fleet]);
    };
    const next = () => leaves(providers.shift() as Service);

    await callerHas('both');
    expect(await next()).toEqual(TOLD); // has the old one
    providersHave('both');
    expect(await next()).toEqual(TOLD);
    await callerHas('new');
    expect(await next()).toEqual(TOLD); // has both
    providersHave('new');
    expect(await next()).toEqual(TOLD);
    expect(await caller.stop()).toMatchObject({ failed: 0 });
  });

  test('a file without a secret changes nothing, and is logged once', async () => {
    const mounted = new Mounted('provider', 'old');
    const leaving = await world().service('provider', { env: mounted.env });
    await world().service('provider', { env: mounted.env });
    const caller = await world().caller('http://provider/echo', 50, { env: { LOSSLESS_SECRET: OLD } });
    for (const text of ['', 'short']) {
      mounted.change(text);
      const token = keysOf(OLD).token;
      const begun = performance.now();
      await until(async () => {
        const port = await world().controlPort(leaving);
        const headers = { authorization: `Bearer ${token}`, host: 'elsewhere' };
        expect(await statusOf(port, '/status', headers)).toBe(200);
        return performance.now() - begun > 2_200;
      });
    }
    expect(await leaves(leaving)).toEqual(TOLD);
    expect(leaving.child.stderr.match(/LOSSLESS_SECRET_FILE has changed and cannot be used/g)).toHaveLength(1);
    expect(await caller.stop()).toMatchObject({ failed: 0 });
  });
});

describe('no secret by mistake', () => {
  const file = () => join(world().directory, 'empty');
  test.each([
    ['LOSSLESS_SECRET', () => ''],
    ['LOSSLESS_SECRET', () => 'short'],
    [
      'LOSSLESS_SECRET_FILE',
      () => {
        writeFileSync(file(), '\n');
        return file();
      },
    ],
  ])('%s: the plugin does not start, and says why; the application runs', async (name, value) => {
    const env = world().env('provider', { LOSSLESS_STRICT: 'false', [name]: value() });
    const app = world().children.node(new URL('../fixtures/apps/app.ts', import.meta.url), {
      env,
      args: ['http', '5', '0', '127.0.0.1'],
    });
    const port = await appPortOf(app);
    await app.sees(new RegExp(`"code":"LOSSLESS_CONFIG_INVALID".*${name} must be`));
    const answer = await fetch(`http://127.0.0.1:${port}/echo`, { method: 'POST', body: 'x' });
    expect(await answer.text()).toBe('x');
    expect(app.stderr).not.toContain('control server');
  });
});

describe('the command', () => {
  const env = () => world().env('provider', { LOSSLESS_SECRET: OLD, NODE_OPTIONS: '' });
  const command = (...args: string[]) => lossless(args, env());

  /** Somebody else at a control port, who keeps all bytes it is sent. */
  async function squatter(answer: (bytes: string) => string) {
    let bytes = '';
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        bytes += chunk;
        const body = answer(bytes);
        socket.end(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        );
      });
    });
    const port = await useServer(server);
    return { port: String(port), bytes: () => bytes };
  }

  test.each(['status', 'offline', 'online'])('%s shows nothing to a stranger at the port', async (name) => {
    const { bytes, port } = await squatter(() => '{"state":"serving"}');
    expect(await command(name, '--port', port)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot prove that it has this LOSSLESS_SECRET'),
    });
    expect(bytes()).toMatch(new RegExp(`^GET ${CHALLENGE_PATH}\\?nonce=[\\w-]{22} HTTP/1.1\r\n`));
    for (const word of [OLD, keysOf(OLD).token, 'authorization', 'Authorization', '/offline', '/status'])
      expect(bytes()).not.toContain(word);
  });

  test('a stranger that passes the bytes on to an instance at another port gets nowhere', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_SECRET: OLD } });
    const real = await world().controlPort(service);
    const seen: string[] = [];
    const between = createServer((socket) => {
      const onward = connect(real, '127.0.0.1');
      socket.on('data', (chunk) => seen.push(String(chunk)));
      socket.pipe(onward).pipe(socket);
      for (const each of [socket, onward]) each.on('error', () => {});
    });
    const port = await useServer(between);
    expect(await command('offline', '--port', String(port))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot prove'),
    });
    expect(seen.join('')).not.toMatch(/authorization/i);
    expect((await command('status', '--port', String(real))).stdout).toMatch(/warming|serving/);
  });

  test('works with either secret while one replaces the other, and token prints the token of the port', async () => {
    const mounted = new Mounted('provider', 'turned');
    const service = await world().service('provider', { env: mounted.env });
    const port = await world().controlPort(service);
    expect((await command('status', '--port', String(port), '--json')).stdout).toContain('"service":"provider"');
    const token = (await command('token')).stdout.trim();
    expect(token).toBe(keysOf(OLD).token);
    const headers = (shown: string) => ({ authorization: `Bearer ${shown}`, host: 'elsewhere' });
    expect(await statusOf(port, '/status', headers(token))).toBe(200);
    expect(await statusOf(port, '/status', headers(OLD))).toBe(403);
    expect((await command('offline', '--port', String(port), '--wait')).stdout).toMatch(/^success\n/);
    await service.child.ends();
  });

  test('reports an instance with another secret, or with none', async () => {
    const service = await world().service('provider');
    const port = String(await world().controlPort(service));
    expect(await command('offline', '--port', port)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/cannot prove .* answers 404/),
    });
  });
});

describe('a consumer header', () => {
  test('without a signature counts as a caller without the plugin, and the log says so', async () => {
    const env = { LOSSLESS_SECRET: OLD, LOSSLESS_HOLD_MS: '300' };
    const leaving = await world().service('provider', { env });
    await world().service('provider', { env });
    const caller = await world().caller('http://provider/echo', 50);
    await leaving.child.sees(/a consumer header of caller is rejected: it is not signed/);
    await world().leave(leaving);
    const trace = await world().trace(leaving);
    expect(spansOf(trace, 'goaway')).toEqual([]);
    expect(spansOf(trace, 'drain')[0]?.tags).toMatchObject({ 'lossless.drain.hold.reason': 'unmanaged_caller' });
    expect(await caller.stop()).toMatchObject({ failed: 0 });
  });
});

function statusOf(port: number, path: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path, headers }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
}
