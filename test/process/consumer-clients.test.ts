import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CONNECT_MS } from '../../src/consumer/call/connect-time.ts';
import { bodyOf, post } from '../fixtures/consumer/goaway.ts';
import type { Echo } from '../fixtures/consumer/wire.ts';
import type { NodeOptions } from '../support/process/child.ts';
import { ConsumerApp } from '../support/process/consumer-app.ts';
import { DeafInstance } from '../support/process/deaf-instance.ts';
import { installed } from '../support/process/majors.ts';
import { LINE } from '../support/process/node-lines.ts';
import { PlainProvider } from '../support/process/plain-provider.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const children: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
});

type Mocked = { readonly answers: readonly string[]; readonly unmatched: string; readonly after: Echo };

const HEADER = '"service-a";id="consumer-1";gen=1;port=';

/** A certificate for the logical name only: an address in its place would not match. */
function certificate(folder: string): { key: string; cert: string; path: string } {
  const [key, path] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const name = ['-subj', '/CN=secure', '-addext', 'subjectAltName=DNS:secure'];
  execFileSync('openssl', ['req', '-x509', ...curve, ...name, '-keyout', key, '-out', path], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(path, 'utf8'), path };
}

describe.each([
  ['this Node.js', LINE, {}],
  ['this Node.js, undici loaded before the plugin', LINE, { FIXTURE_EAGER: 'true' }],
  ['Node.js 22.19', '22.19', {}],
  ['Node.js 26', '26', {}],
] as const)('calls to a service on %s', (name, line, env) => {
  const folder = useScratchFolder();
  let providers: PlainProvider[] = [];
  let secure: PlainProvider[] = [];
  let app: ConsumerApp;
  let appOptions: Pick<NodeOptions, 'env' | 'line'>;

  beforeAll(async () => {
    const { key, cert, path } = certificate(folder);
    appOptions = { line, env: { ...env, NODE_EXTRA_CA_CERTS: path } };
    const tls = { FIXTURE_KEY: key, FIXTURE_CERT: cert };
    providers = await Promise.all([PlainProvider.start('b1'), PlainProvider.start('b2')]);
    secure = await Promise.all([
      PlainProvider.start('s1', { scheme: 'https' }, tls),
      PlainProvider.start('s2', { scheme: 'https' }, tls),
    ]);
    const list = providers.map(({ instance }) => instance);
    const lists = { 'service-b': list, 'orders.internal': list, secure: secure.map(({ instance }) => instance) };
    app = await ConsumerApp.start(lists, appOptions);
  });
  afterAll(async () => {
    await Promise.all([...providers, ...secure, app].map((child) => child.stop()));
  });

  const both = new Set(['b1', 'b2']);
  const four = async <T = Echo>(client: string, input: object): Promise<T[]> => {
    const answers: T[] = [];
    for (let n = 0; n < 4; n++) answers.push(await app.run<T>(client, input));
    return answers;
  };

  test('runs on the version it names', async () => {
    const version = `Node.js ${await app.run('version')}`;
    expect(name.startsWith('this') || version.startsWith(name), version).toBe(true);
  });

  test.each([
    'fetch',
    'fetchStream',
    'fetchForm',
    'fetchRequest',
    'undici',
    'http',
    'httpAgent',
    'httpNoAgent',
    'httpOwnConnection',
    'httpStream',
    'axios',
    'axiosAgent',
    'got',
  ])('%s reaches every instance by its logical name, body whole, header present', async (client) => {
    const answers = await four(client, {
      url: 'http://service-b:8080/',
      method: 'POST',
      body: 'a body of some length',
    });
    expect(new Set(answers.map(({ instanceId }) => instanceId))).toEqual(both);
    for (const { body, headers } of answers) {
      expect(body).toContain('a body of some length');
      expect(headers['host']).toBe('service-b:8080');
      expect(headers['lossless-consumer']).toBe(`${HEADER}${app.port}`);
    }
  });

  test.each([
    ['undiciFlatHeaders', 'x-flat'],
    ['undiciMapHeaders', 'x-map'],
    ['httpArrayHeaders', 'x-list'],
  ])('%s keeps the headers of the application and adds its own', async (client, name) => {
    const { headers } = await app.run<Echo>(client, { url: 'http://service-b/' });
    expect(headers).toMatchObject({ [name]: 'yes', host: 'service-b', 'lossless-consumer': `${HEADER}${app.port}` });
  });

  test.each(['fetch', 'http', 'undici', 'httpCopied', 'httpExpecting', 'undiciCopied'])(
    '%s keeps the host that the application sets, and replaces a copied consumer header',
    async (client) => {
      const headers = { Host: 'other', 'Lossless-CONSUMER': 'copied', 'x-copied': 'yes' };
      const answer = await app.run<Echo>(client, { url: 'http://service-b/', method: 'POST', body: 'x', headers });
      expect(answer.headers).toMatchObject({ 'lossless-consumer': `${HEADER}${app.port}`, 'x-copied': 'yes' });
      expect(answer.body).toBe('x');
      if (client !== 'fetch') expect(answer.headers['host']).toBe('other');
    },
  );

  test('fetch: a redirect stays logical', async () => {
    for (const answer of await four<Echo & { responseUrl: string }>('fetchRedirect', {
      url: 'http://service-b',
      body: 'again',
    }))
      expect(answer).toMatchObject({ responseUrl: 'http://service-b/', body: 'again', headers: { host: 'service-b' } });
  });

  test.each([
    ['fetchAbort', 'TimeoutError'],
    ['httpAbort', 'AbortError'],
  ])('%s: an abort signal ends the call', async (client, name) => {
    expect(await app.run(client, { url: 'http://service-b' })).toEqual({ name, inTime: true });
  });

  test('the names in LOSSLESS_SERVICES are services', async () => {
    const answers = [
      ...(await four('fetch', { url: 'http://orders.internal/' })),
      ...(await four('http', { url: 'http://ORDERS.internal/' })),
    ];
    expect(new Set(answers.map(({ instanceId }) => instanceId))).toEqual(both);
  });

  test.each(['httpsChecked', 'httpOwnConnection', 'fetch', 'undici'])(
    '%s speaks TLS with the logical name',
    async (client) => {
      const answers = await four(client, {
        url: 'https://secure/',
        method: 'POST',
        body: 'x',
      });
      expect(new Set(answers.map(({ instanceId }) => instanceId))).toEqual(new Set(['s1', 's2']));
    },
  );

  test('TLS: a host that drops packets delays no request by more than one attempt to connect', async () => {
    const [{ instance }] = secure as [PlainProvider];
    const hole = await DeafInstance.start(instance, 'hole');
    children.push(hole);
    const paced = async (client: string): Promise<{ errors: string[]; slow: number; longest: number }> => {
      const caller = await ConsumerApp.start({ secure: [hole.instance, instance] }, appOptions);
      children.push(caller);
      return caller.run('paced', { url: 'https://secure/', count: 60, headers: { 'x-client': client } });
    };
    for (const { errors, slow, longest } of await Promise.all(['fetch', 'http', 'keepAlive'].map(paced))) {
      expect(errors).toEqual([]);
      // The first ones, which were given to it.
      expect(slow).toBeGreaterThan(0);
      expect(longest).toBeLessThan(2 * CONNECT_MS);
    }
  }, 60_000);

  test.each(['fetch', 'http', 'httpOwnConnection', 'undici'])(
    '%s leaves calls to other hosts untouched',
    async (client) => {
      const { port } = (providers[0] as PlainProvider).instance;
      for (const host of ['127.0.0.1', 'localhost']) {
        const { instanceId, headers } = await app.run<Echo>(client, {
          url: `http://${host}:${port}/`,
          method: 'POST',
          body: '',
        });
        expect(instanceId).toBe('b1');
        expect(headers['lossless-consumer']).toBeUndefined();
      }
      for (const host of ['nobody', 'service-b.invalid'])
        await expect(app.run(client, { url: `http://${host}/`, method: 'POST', body: '' })).rejects.toThrow(
          /ENOTFOUND|EAI_AGAIN/,
        );
    },
  );
});

test.each(['fetch', 'undici', 'http', 'httpOwnConnection', 'httpArrayHeaders', 'httpStream', 'axios', 'got'])(
  '%s: the very first request waits for the list and carries the header',
  async (client) => {
    const provider = await PlainProvider.start('b1');
    const app = await ConsumerApp.start({ 'service-b': [provider.instance] });
    const { headers, body } = await app.run<Echo>(client, { url: 'http://service-b/', method: 'POST', body: 'first' });
    expect(headers['lossless-consumer']).toBe(`${HEADER}${app.port}`);
    if (client !== 'httpArrayHeaders') expect(body).toBe('first');
    await Promise.all([provider.stop(), app.stop()]);
  },
);

describe.each([
  ['this Node.js', LINE],
  ['Node.js 22.19', '22.19'],
] as const)('a request that cannot be made fails in the application, on %s', (_, line) => {
  test.each([
    ['httpBadAddress', 'http', 'service-b', 'ERR_INVALID_IP_ADDRESS'],
    ['httpBadAddress', 'http', 'nobody', 'ERR_INVALID_IP_ADDRESS'],
    ['httpsBadKey', 'https', 'service-b', 'ERR_OSSL_PEM_NO_START_LINE'],
  ])('%s: the very first request to %s://%s and later ones', async (client, scheme, host, code) => {
    const provider = await PlainProvider.start('b1');
    const app = await ConsumerApp.start({ 'service-b': [provider.instance] }, { line });
    children.push(provider, app);
    expect(await app.run(client, { url: `${scheme}://${host}/` })).toEqual([code, code]);
    // They are not counted as if they went on.
    await app.run('fetch', { url: 'http://service-b/' });
    const answer = await post(app.port, bodyOf(provider.instance));
    expect(await answer.line()).toMatchObject({ isolated: true, outstanding: 0 });
  });
});

describe.each([
  ['this Node.js', LINE, {}],
  ['this Node.js, undici loaded before the plugin', LINE, { FIXTURE_EAGER: 'true' }],
  ['Node.js 22.19', '22.19', {}],
  ['Node.js 26', '26', {}],
  ['Node.js 22.19, undici loaded before the plugin', '22.19', { FIXTURE_EAGER: 'true' }],
  ['Node.js 26', '26', {}],
] as const)('dispatchers of the application on %s', (_, line, env) => {
  type SetUp = { readonly provider: PlainProvider; readonly app: ConsumerApp };
  const setUpWith = async (more: Readonly<Record<string, string>> = {}): Promise<SetUp> => {
    const provider = await PlainProvider.start('b1');
    const app = await ConsumerApp.start({ 'service-b': [provider.instance] }, { line, env: { ...env, ...more } });
    children.push(provider, app);
    return { provider, app };
  };
  const setUp = async (more?: Readonly<Record<string, string>>): Promise<ConsumerApp> => (await setUpWith(more)).app;
  const codes = ({ logs }: ConsumerApp) => logs.map(({ code }) => code).filter((code) => code?.includes('DISPATCHER'));
  const url = 'http://service-b/';

  test('an own dispatcher and a new global one are covered, without a log line', async () => {
    const app = await setUp();
    await app.run('undici', { url });
    expect((await app.run<Echo>('undiciOwnDispatcher', { url })).instanceId).toBe('b1');
    const { first, second } = await app.run<Record<string, Echo>>('undiciReplaced', { url });
    expect([first?.instanceId, second?.instanceId]).toEqual(['b1', 'b1']);
    expect(codes(app)).toEqual([]);
  });

  test('the very first request by an own dispatcher is covered, even in the turn that sets it', async () => {
    for (const client of ['undiciOwnDispatcher', 'undiciReplaced']) {
      const app = await setUp();
      const answer = await app.run<{ first?: Echo; instanceId?: string }>(client, { url });
      expect((answer.first ?? answer).instanceId).toBe('b1');
      expect(codes(app)).toEqual([]);
    }
  });

  test('the plugin leaves closed dispatchers and those with an own socket alone, and logs once about one that it cannot cover', async () => {
    const app = await setUp();
    expect(await app.run('undiciLeftAlone', { url })).toEqual({ closed: 'UND_ERR_DESTROYED', local: 'local' });
    expect(codes(app)).toEqual([]);
    for (let n = 0; n < 2; n++) expect(await app.run('undiciH2cClient', { url })).toMatch(/ENOTFOUND|EAI_AGAIN/);
    expect(codes(app)).toEqual(['LOSSLESS_DISPATCHER_UNCOVERED']);
  });

  test('the built-in fetch by an agent of another major calls a service like any host, without a log line', async () => {
    const { provider, app } = await setUpWith();
    const { port } = provider.instance;
    const { service, other } = await app.run<Record<string, unknown>>('fetchByPackage', {
      url,
      body: `http://127.0.0.1:${port}/`,
    });
    expect(service).toEqual(other);
    expect(app.logs).toEqual([]);
  });

  test('a call that a MockAgent intercepts reaches no service', async () => {
    const app = await setUp();
    const { answers, unmatched, after } = await app.run<Mocked>('undiciMocked', { url });
    expect(answers).toEqual(['mocked', 'mocked', 'mocked']);
    expect(unmatched).toBe('UND_MOCK_ERR_MOCK_NOT_MATCHED');
    expect(after.instanceId).toBe('b1');
    expect(codes(app)).toEqual([]);
  });

  // Undici that was loaded before does not tell that it is used: there only the server of the next test does.
  test.skipIf('FIXTURE_EAGER' in env).each(['fetch', 'undici'])(
    '%s: a dispatcher that is set at the start is covered from the first request on',
    async (client) => {
      const app = await setUp({ FIXTURE_AT_START: 'agent' });
      for (let n = 0; n < 2; n++)
        expect((await app.run<Echo>(client, { url, method: 'POST', body: '' })).instanceId).toBe('b1');
      expect(codes(app)).toEqual([]);
    },
  );

  test('a dispatcher that is set before a server listens is covered from the first request on', async () => {
    const app = await setUp();
    await app.run('fetch', { url });
    expect((await app.run<Echo>('undiciSetThenListens', { url })).instanceId).toBe('b1');
    expect(codes(app)).toEqual([]);
  });

  test.each(['fetch', 'undici'])(
    '%s: a dispatcher composed of the earlier global one keeps its interceptors',
    async (client) => {
      const app = await setUp({ FIXTURE_AT_START: 'composed' });
      for (let n = 0; n < 2; n++) {
        const { instanceId, headers } = await app.run<Echo>(client, { url, method: 'POST', body: '' });
        expect({ instanceId, said: headers['x-interceptor'] }).toEqual({ instanceId: 'b1', said: 'yes' });
      }
      expect(codes(app)).toEqual([]);
    },
  );

  test.each(['fetch', 'undici'])(
    '%s: an error that an interceptor throws fails the very first request',
    async (client) => {
      const app = await setUp({ FIXTURE_AT_START: 'throws' });
      for (const host of ['nobody', 'nobody', 'noone'])
        await expect(app.run(client, { url: `http://${host}/`, method: 'POST', body: '' })).rejects.toThrow(
          'an interceptor refuses',
        );
    },
  );
});

describe('a copy of undici inside a bundle', () => {
  const folder = useScratchFolder();

  test('the log names the first call by its own dispatcher, and calls by its global dispatcher are covered', async () => {
    const outfile = join(folder, 'bundle.cjs');
    const entryPoints = [join(installed(7) ?? '', 'index.js')];
    await build({ entryPoints, outfile, bundle: true, platform: 'node', logLevel: 'error' });
    const provider = await PlainProvider.start('b1');
    const app = await ConsumerApp.start({ 'service-b': [provider.instance] });
    children.push(provider, app);
    const url = 'http://service-b/';
    // The built-in copy makes the global dispatcher, so that the bundle shows nothing of itself.
    await app.run('fetch', { url });
    const { global, own } = await app.run<{ global: Echo; own: string }>('undiciBundled', { url, body: outfile });
    expect(global.instanceId).toBe('b1');
    expect(own).toMatch(/ENOTFOUND|EAI_AGAIN/);
    await until(() => app.logs.some(({ code }) => code === 'LOSSLESS_DISPATCHER_UNCOVERED'));
  });
});
