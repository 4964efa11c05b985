import { podOf } from './pod.ts';
import { BESIDE_PORTS, type Calls, HOSTS, type Placed, type Scenario } from './scenario.ts';

const FAST: Calls = { by: 'http1', sends: 'post', clients: 16, perSecond: 10 };

const HEALTH_OF_APPLICATION = { LOSSLESS_HEALTH_PATHS: '/health' };

/** Longer than the proxies of `deploy/` keep idle connections. */
const KEPT = { LOSSLESS_KEEP_ALIVE_MS: '65000' };

/** The file of a front that checks the application's port. */
const ON_THE_APPLICATION = {
  haproxy: { '/readiness': '/health', ' port 54199': '' },
  caddy: { 'health_uri /readiness': 'health_uri /health', 'health_port 54199': 'health_port 8080' },
  envoy: { 'path: /readiness': 'path: /health', 'port_value: 54199': 'port_value: 8080' },
} as const;

const FILES = { haproxy: 'haproxy-front.cfg', caddy: 'Caddyfile', envoy: 'envoy-front.yaml' } as const;

const PROXIES = ['haproxy', 'caddy', 'envoy'] as const;

/** Without retries, because HAProxy's would hide losses. */
const NO_RETRIES = { 'timeout connect 2s': 'timeout connect 2s\n  retries 0' };

/** The goal: three failing answers, a second apart, and a second more. */
const TOLD = { lost: 0, seconds: 4 };

const APPLICATION_CHECKED: readonly Scenario[] = PROXIES.map((proxy) => ({
  name: `${proxy}, check of the application's port`,
  front: { proxy, file: FILES[proxy], values: ON_THE_APPLICATION[proxy] },
  env: { ...HEALTH_OF_APPLICATION, ...KEPT },
  calls: [FAST],
  goal: TOLD,
}));

const READINESS_CHECKED: readonly Scenario[] = PROXIES.map((proxy) => ({
  name: `${proxy}, check of /readiness`,
  front: { proxy, file: FILES[proxy] },
  env: KEPT,
  calls: [FAST],
  goal: TOLD,
}));

const SLOW_CHECK = 'inter 5s fall 3 rise 1';

/** At several rates, so that no loss stays hidden by chance. */
const HAPROXY_RATES: readonly Scenario[] = [
  { check: 'inter 1s fall 2 rise 2', failures: '2', seconds: 2.5 },
  { check: SLOW_CHECK, failures: '3', seconds: 17 },
].flatMap(({ check, failures, seconds }) =>
  [160, 6, 1].map((perSecond) => ({
    name: `haproxy, retries 0, check ${check.slice(0, 15)}, ${perSecond} requests/s`,
    front: {
      proxy: 'haproxy',
      file: FILES.haproxy,
      values: { ...NO_RETRIES, 'inter 1s fall 2 rise 2': check },
    } as const,
    env: { LOSSLESS_HEALTH_FAILURES: failures, ...KEPT },
    calls: [
      { by: 'http1', sends: 'post', clients: Math.min(16, perSecond), perSecond: perSecond / Math.min(16, perSecond) },
    ],
    goal: { lost: 0, seconds },
  })),
);

const STATIC_NGINX: readonly Scenario[] = (['nginx', 'nginx-mainline'] as const).flatMap((proxy) => [
  {
    name: `${proxy}, static upstream, upstream keep-alive`,
    front: { proxy, file: 'nginx-front.conf' },
    env: KEPT,
    calls: [FAST],
    goal: { lost: 0.1, seconds: 12 },
  },
  {
    name: `${proxy}, static upstream, LOSSLESS_ENTRY=refuse`,
    front: { proxy, file: 'nginx-front.conf' },
    env: { LOSSLESS_ENTRY: 'refuse', ...KEPT },
    calls: [FAST],
    goal: { lost: 0, seconds: 1 },
  },
]);

const ALL_KINDS: readonly Calls[] = [
  { by: 'http1', sends: 'get', clients: 4, perSecond: 10 },
  { by: 'http1', sends: 'post', clients: 4, perSecond: 10 },
  { by: 'http1', sends: 'post-200k', clients: 2, perSecond: 2 },
  { by: 'http1', sends: 'chunked', clients: 4, perSecond: 5 },
  { by: 'http1', sends: 'post', clients: 20, perSecond: 1 / 3 },
  { by: 'websocket', clients: 4, perSecond: 1 / 5 },
];

const TCP: Placed = {
  proxy: 'haproxy',
  file: 'haproxy-front-tcp.cfg',
  values: Object.fromEntries(HOSTS.map((host, n) => [`${host}:80`, `${host}:${BESIDE_PORTS[n]}`])),
};

/** The balancer takes a host out after two failures, a second apart. */
const WATCHED = { LOSSLESS_ENTRY_PORTS: 'ENTRY', LOSSLESS_ENTRY_CHECK_MS: '2000' };

/** A balancer of connections, a proxy beside each application; the proxy outlives the application. */
const BESIDE: readonly Scenario[] = [
  {
    name: 'tcp balancer, nginx beside',
    front: TCP,
    beside: { proxy: 'nginx', file: 'nginx-beside.conf', values: { '/run/orders': 'DIRECTORY' } },
    env: { LOSSLESS_STATUS_FILE: 'DIRECTORY/ready', ...WATCHED },
    calls: ALL_KINDS,
    goal: { lost: 0, seconds: 4 },
  },
  {
    name: 'tcp balancer, haproxy beside',
    front: TCP,
    beside: { proxy: 'haproxy', file: 'haproxy-beside.cfg' },
    env: WATCHED,
    calls: ALL_KINDS,
    goal: { lost: 0, seconds: 4.5 },
  },
];

/** A Service, and a pod with a native sidecar that outlives the application. */
const WITH_PROXY = podOf('with-proxy.yaml', { '/run/orders/ready': 'DIRECTORY/ready', '80': 'ENTRY' });

const MANY: Calls = { by: 'http1', sends: 'post', clients: 20, perSecond: 1, keepAlive: false };

/** The rules of the Service follow late. Several rates, so that no loss stays hidden by chance. A hanging application is killed and cannot be lossless. */
const SIDECAR: readonly Scenario[] = [
  {
    name: '20 new connections/s',
    calls: [{ by: 'http1', sends: 'post', clients: 12, perSecond: 10 } as const, MANY],
    goal: { lost: 0, seconds: 7 },
  },
  { name: '1 new connection/s', calls: [{ ...MANY, clients: 1 }], goal: { lost: 0, seconds: 7 } },
  {
    name: 'an application that hangs',
    hangs: true as const,
    calls: [MANY],
    goal: { lost: Number.POSITIVE_INFINITY, seconds: 38, result: 'killed' as const },
  },
].map((one) => ({
  ...one,
  name: `pod with a native sidecar, lag 3 s, ${one.name}`,
  serviceLagMs: 3_000,
  beside: { proxy: 'nginx', file: 'nginx-beside.conf', values: { '/run/orders': 'DIRECTORY' } },
  pod: WITH_PROXY,
}));

const SCRAPED: readonly Scenario[] = [undefined, 'Prometheus/2.53.0', 'ELB-HealthChecker/2.0'].map((agent) => ({
  name: `a scrape each second by ${agent ?? 'nobody in particular'}`,
  env: HEALTH_OF_APPLICATION,
  calls: [{ by: 'scrape', perSecond: 1, ...(agent !== undefined && { agent }) }],
  goal: { lost: 0, seconds: 0.5 },
}));

/** The default of LOSSLESS_HOLD_MS, and a longer one for rules that follow later than that, in seconds. */
const HOLD_S = 10;
const LONG_HOLD_S = 20;

/** Keep-alive clients, and clients with a new connection for each request, of which each host gets its share. */
const KUBE_PROXY: readonly Scenario[] = [0, 3, 12].flatMap((lag) =>
  [1, 20].map((connections) => ({
    name: `kube-proxy, lag ${lag} s, ${connections} new connections/s`,
    serviceLagMs: lag * 1_000,
    ...(lag > HOLD_S && { env: { LOSSLESS_HOLD_MS: `${LONG_HOLD_S}000`, LOSSLESS_GRACE_PERIOD_MS: '60000' } }),
    calls: [
      { by: 'http1', sends: 'post', clients: 12, perSecond: 10 },
      { by: 'http1', sends: 'post', clients: connections, perSecond: 1, keepAlive: false },
    ],
    goal: {
      lost: 0,
      seconds: Math.min(lag + (7 * HOSTS.length) / connections, lag > HOLD_S ? LONG_HOLD_S : HOLD_S) + 1,
    },
  })),
);

/** A stream that is on its way when its session closes is refused: a loss of one round trip. */
const HTTP2: Scenario = {
  name: 'HTTP/2 clients straight on the application, 320 requests/s',
  protocol: 'http2',
  serviceLagMs: 0,
  calls: [{ by: 'http2', clients: 16, perSecond: 20 }],
  goal: { lost: 3.2, seconds: 12 },
};

/** TLS hides the descriptor, so the session ends in one step: streams that cross the end are refused, and clients may send them again. */
const HTTP2_TLS: Scenario = {
  ...HTTP2,
  name: 'HTTP/2 clients by TLS straight on the application, 320 requests/s',
  protocol: 'http2-tls',
  calls: [{ by: 'http2', clients: 16, perSecond: 20, isSecure: true }],
};

/** Pauses of clients, in seconds: about as long as Node.js keeps an idle connection, which is 5 s, and 6 s since Node.js 24. */
const PAUSES = [6, 6.01, 6.015, 6.02, 6.025, 6.03, 6.04, 6.05];

/** A request that meets a closing connection is lost even without a shutdown. */
const IDLE: Scenario = {
  name: 'clients that pause as long as the server keeps idle connections',
  serviceLagMs: 0,
  env: KEPT,
  calls: PAUSES.map((pause) => ({ by: 'http1', sends: 'post', clients: 10, perSecond: 1 / pause })),
  beforeMs: 60_000,
  goal: { lost: 0, seconds: HOLD_S + 0.5 },
};

const SOCKET_ACTIVATION: Scenario = {
  name: 'a listener held by a parent',
  held: true,
  env: { LOSSLESS_ENTRY: 'refuse' },
  calls: [FAST],
  goal: { lost: 0, seconds: 0.3 },
};

/** All scenarios of callers without the plugin. */
export const SCENARIOS: readonly Scenario[] = [
  ...APPLICATION_CHECKED,
  ...READINESS_CHECKED,
  ...HAPROXY_RATES,
  ...STATIC_NGINX,
  ...BESIDE,
  ...SIDECAR,
  ...KUBE_PROXY,
  HTTP2,
  HTTP2_TLS,
  IDLE,
  SOCKET_ACTIVATION,
  ...SCRAPED,
];
