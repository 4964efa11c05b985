/** A framework, client, gateway or launcher, and what the plugin does for an application that uses it. */
export interface Coverage {
  readonly kind: 'client' | 'gateway' | 'framework' | 'closing' | 'launcher' | 'tracing';
  readonly name: string;
  /** The package whose installed version was tried; undefined for a part of Node.js. */
  readonly of?: readonly [name: string];
  /** The version of a program that the tests do not install. */
  readonly version?: string;
  readonly covered: 'yes' | 'partly' | 'no';
  /** The uncovered part, and the code to write instead. */
  readonly note?: string;
  /** The test that proves the row: a file of `test/process` or beside it, and the title of the row there, or the title of all its rows. */
  readonly test: readonly [file: string, title: string];
}

/** `test/fixtures/apps/clients.ts` calls by a client of this name while one of two instances leaves. */
const CALLED = ['clients.test.ts', 'loses no request while one of two instances leaves'] as const;

/** A kind of `test/fixtures/apps/frameworks.ts`, which leaves under load. */
const SERVED = ['frameworks.test.ts', 'leaves without losing a request'] as const;

/** A program that is built beside the servers of the tests, and leaves under load. */
const BUILT = ['../system/built-apps.test.ts', 'leaves without losing a request'] as const;

type Row = Omit<Coverage, 'kind' | 'covered'> & Partial<Pick<Coverage, 'covered'>>;

const rows = (kind: Coverage['kind'], ...all: readonly Row[]): readonly Coverage[] =>
  all.map((row) => ({ covered: 'yes', ...row, kind }));

const undici = [5, 6, 7, 8].flatMap((major): readonly Row[] => {
  const of = [major === 8 ? 'undici' : `undici${major}`] as const;
  const kinds = ['Agent', 'Pool', 'Client', 'BalancedPool'];
  return kinds.map((kind) => ({ name: `undici ${major} ${kind}`, of, test: CALLED }));
});

export const COVERAGE: readonly Coverage[] = [
  ...rows(
    'client',
    { name: 'fetch', test: ['consumer-clients.test.ts', "'fetch',"] },
    { name: 'http.request', test: ['consumer-clients.test.ts', "'httpAgent',"] },
    { name: 'http.request with createConnection', test: CALLED },
    {
      name: 'undici by the global dispatcher',
      of: ['undici'],
      test: ['undici-majors.test.ts', 'with each interceptor'],
    },
    ...undici,
    { name: 'undici RetryAgent', of: ['undici'], test: CALLED },
    { name: 'undici ProxyAgent', of: ['undici'], test: CALLED },
    { name: 'undici fetch with a dispatcher', of: ['undici7'], test: CALLED },
    ...['stream', 'pipeline', 'upgrade', 'connect', 'EventSource'].map(
      (method): Row => ({ name: `undici ${method}`, of: ['undici'], test: CALLED }),
    ),
    {
      name: 'undici H2CClient',
      of: ['undici'],
      covered: 'no',
      note: 'The plugin logs its first call (`LOSSLESS_DISPATCHER_UNCOVERED`). Write `http2.connect`.',
      test: ['consumer-clients.test.ts', 'logs once about one that it cannot cover'],
    },
    {
      name: 'undici MockAgent',
      of: ['undici'],
      covered: 'partly',
      note: 'It answers the requests that it intercepts, as in tests of an application. The others go to the host in their URL. Write `fetch` without it.',
      test: ['consumer-clients.test.ts', 'a call that a MockAgent intercepts'],
    },
    {
      name: 'fetch with a dispatcher of another major',
      covered: 'partly',
      note: 'undici refuses some combinations, for any host, with an error of its own. Write `fetch` and `Agent` of one package.',
      test: ['consumer-clients.test.ts', 'the built-in fetch by an agent of another major'],
    },
    {
      name: 'undici inside a bundle',
      of: ['undici7'],
      covered: 'partly',
      note: 'Its global dispatcher is covered. Calls by its other dispatchers bypass the plugin, which logs the first (`LOSSLESS_DISPATCHER_UNCOVERED`). Leave undici out of the bundle (`external`), or write `fetch` without a dispatcher.',
      test: ['consumer-clients.test.ts', 'a copy of undici inside a bundle'],
    },
    { name: 'axios', of: ['axios'], test: CALLED },
    { name: 'axios by HTTP/2', of: ['axios'], test: CALLED },
    { name: 'http2.connect', test: ['http2-client.test.ts', 'carries the header from the first request on'] },
    { name: 'got', of: ['got'], test: CALLED },
    ...[
      'ky',
      'superagent',
      'needle',
      'phin',
      'agentkeepalive',
      'make-fetch-happen',
      '@nestjs/axios',
      'gaxios',
      '@elastic/transport',
      'https-proxy-agent',
      'socks-proxy-agent',
    ].map((name): Row => ({ name, of: [name], test: CALLED })),
    { name: 'node-fetch 2', of: ['node-fetch2'], test: CALLED },
    { name: 'node-fetch 3', of: ['node-fetch'], test: CALLED },
    { name: '@elastic/transport by node:http', of: ['@elastic/transport'], test: CALLED },
    { name: 'http.globalAgent, replaced', test: CALLED },
    { name: 'WebSocket', test: CALLED },
    { name: 'ws', of: ['ws'], test: CALLED },
    {
      name: 'socket.io-client',
      of: ['socket.io-client'],
      covered: 'partly',
      note: "Each request of its polling goes to another instance, which Socket.IO refuses without sticky sessions. Write `transports: ['websocket']`.",
      test: CALLED,
    },
  ),
  ...rows(
    'gateway',
    { name: '@fastify/http-proxy', of: ['@fastify/http-proxy'], test: CALLED },
    { name: '@fastify/http-proxy with settings of undici', of: ['@fastify/http-proxy'], test: CALLED },
    { name: '@fastify/http-proxy by node:http', of: ['@fastify/http-proxy'], test: CALLED },
    { name: '@fastify/reply-from', of: ['@fastify/reply-from'], test: CALLED },
    { name: 'http-proxy', of: ['http-proxy'], test: CALLED },
    { name: 'http-proxy-middleware', of: ['http-proxy-middleware'], test: CALLED },
  ),
  ...rows(
    'framework',
    { name: 'Next.js standalone', version: '16.4.6', test: BUILT },
    ...['express', 'fastify', 'koa'].map(
      (name): Row => ({
        name,
        of: [name],
        test: ['servers.test.ts', 'an application that does not know of the plugin leaves'],
      }),
    ),
    { name: 'hapi', of: ['@hapi/hapi'], test: SERVED },
    { name: 'hono', of: ['hono'], test: SERVED },
    { name: 'graphql-yoga', of: ['graphql-yoga'], test: SERVED },
    { name: 'apollo-server', of: ['@apollo/server'], test: SERVED },
    ...['express', 'fastify'].flatMap((platform): readonly Row[] => {
      const of = [`@nestjs/platform-${platform}`] as const;
      const name = `nest on ${platform}`;
      return [
        { name, of, test: SERVED },
        { name: `${name}, with shutdown hooks`, of, test: SERVED },
      ];
    }),
    { name: 'trpc', of: ['@trpc/server'], test: SERVED },
    {
      name: 'WebSocket and Socket.IO',
      of: ['socket.io'],
      covered: 'partly',
      note: 'An offline waits for open connections until the deadline, then cuts them. Close them when `leaving()` is aborted.',
      test: ['races-sockets.test.ts', 'the drain waits for a WebSocket until the deadline'],
    },
  ),
  ...rows(
    'closing',
    { name: 'terminus', of: ['@godaddy/terminus'], test: SERVED },
    { name: 'http-terminator', of: ['http-terminator'], test: SERVED },
    { name: 'close-with-grace', of: ['close-with-grace'], test: SERVED },
  ),
  ...rows(
    'launcher',
    { name: 'ts-node', version: '10.9.2', test: BUILT },
    { name: 'tsx', of: ['tsx'], test: ['launcher.test.ts', "'tsx'"] },
    {
      name: 'pm2',
      of: ['pm2'],
      test: ['platforms.test.ts', 'PM2 stops a service without losing a request, within its own time-out'],
    },
    { name: 'node --watch', test: ['launcher.test.ts', 'node --watch'] },
    { name: 'cluster', test: ['cluster.test.ts', 'a signal to the primary only: every worker goes offline'] },
  ),
  ...rows('tracing', {
    name: 'OpenTelemetry, before or after the plugin',
    of: ['@opentelemetry/auto-instrumentations-node'],
    test: ['signals-otel.test.ts', 'register of OpenTelemetry %s us'],
  }),
];
