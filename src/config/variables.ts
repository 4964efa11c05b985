import { ENTRY_MODES, READINESS } from '../lifecycle/outcomes.ts';
import { endSignals } from './end-signals.ts';
import {
  advertise,
  choice,
  flag,
  integer,
  line,
  list,
  type Parser,
  probe,
  secrets,
  serviceName,
  url,
  urlPath,
} from './parsers.ts';
import { registryUrls } from './registries.ts';

/** One variable of the environment. */
export interface Variable<T> {
  readonly parse: Parser<T>;
  /** As it would be written; absent when there is no default. */
  readonly default?: string;
  readonly doc: string;
  /** Its value is never logged or printed. */
  readonly secret?: boolean;
  /** An empty value is an error. Taken for absent it would switch protection off silently. */
  readonly neverEmpty?: boolean;
}

const HOUR = 3_600_000;

/** A variable that always has a value. */
function having<T>(parse: Parser<T>, fallback: string, doc: string): Variable<T> & { readonly default: string } {
  return { parse, default: fallback, doc };
}

/** A variable that may be absent. */
function optional<T>(parse: Parser<T>, doc: string, secret = false): Variable<T> {
  return { parse, doc, secret };
}

/** A variable that may be absent, but not empty. */
function protecting<T>(parse: Parser<T>, doc: string, secret = false): Variable<T> {
  return { parse, doc, secret, neverEmpty: true };
}

/**
 * Every variable that the plugin reads. The type of the options, the reference page and every message about a bad value come from
 * this table. A name is its subject, the aspect, then the unit or kind of the value where it is a time (`_MS`), a path (`_FILE`, `_DIR`)
 * or an address (`_PORT`, `_HOST`, `_URL`).
 */
export const VARIABLES = {
  LOSSLESS_ENABLED: having(flag, 'false', 'Switches the plugin on. With `false` it changes nothing in the process.'),
  LOSSLESS_SERVICE: optional(
    serviceName,
    'Name of this service. Default: OTEL_SERVICE_NAME, else the name in the package.json nearest to the program. On Kubernetes use the name of the Service.',
  ),
  LOSSLESS_REGISTRY: having(
    registryUrls,
    'file:',
    'URL of the registry; docs/registries has a page for each. `file:` is a directory of this user under the temporary directory, `file:///path` another directory; `memory:` is for tests within one process. Any other scheme needs `module=`, a package or a path that knows this registry (docs/registries/own.md). For a migration name several, separated by commas: the plugin registers each instance in all of them and merges their lists.',
  ),
  LOSSLESS_ADVERTISE: optional(
    advertise,
    'Host, or host:port, under which this instance is registered; behind a mapping of ports add its gRPC port, for example `shop.example:8080,grpc=shop.example:9090`. Default: the address to which the server is bound; for a wildcard, the local address from which this machine reaches the registry. Of several HTTP servers the plugin registers the one on this port, else the one on the port in the variable PORT of the platform. Elsewhere: `advertised.listeners` of Kafka, `hostName` of Eureka.',
  ),
  LOSSLESS_ZONE: optional(
    line(128),
    'Availability zone of this instance, registered as the label `zone`. Calls go to instances of the same zone as long as one of them can take requests. Default: none; calls then go to all instances alike. Elsewhere: `topology.kubernetes.io/zone` of Kubernetes.',
  ),
  LOSSLESS_METADATA: optional(
    line(2_048),
    'Labels of this instance in the registry: key=value pairs between commas, values percent-encoded, for example version=2. A name has at most 64 letters, digits, dots, dashes and underscores, a value at most 256 characters.',
  ),
  LOSSLESS_CONTROL_PORT: having(
    integer(0, 65_535),
    '54199',
    'Port of the control server; 0 is any free port. When the default port is taken, the plugin uses the next free one. A port that you set, and any port in a pod, stays: probes and hooks name it, so the plugin logs an error with the process that has it and tries again.',
  ),
  LOSSLESS_CONTROL_GET: having(
    flag,
    'false',
    '`true`: GET of /offline and /online changes state even without the secret as bearer token. Only for a hook that can send nothing but GET: code in this process that fetches a URL of a stranger could then end the instance.',
  ),
  LOSSLESS_CONTROL_HOST: having(
    line(253),
    '::',
    'Address on which the control server listens; `::` is all addresses. Consumers must reach it.',
  ),
  LOSSLESS_SECRET: protecting(
    secrets,
    'Shared secret of the fleet. With it instances sign GoAways and consumer headers (HMAC-SHA256) and reject unsigned ones, and operators must prove that they have it, on this machine too. To replace it, set two lines, the old and the new one: both are accepted. Make it with `openssl rand -base64 32`. Default: none; the network is then trusted as SECURITY.md says.',
    true,
  ),
  LOSSLESS_SECRET_FILE: protecting(
    line(4_096),
    'A plain file with the secret, in place of LOSSLESS_SECRET; blanks and line ends around it are dropped. The plugin reads it again when it changes.',
  ),
  LOSSLESS_TLS_DIR: protecting(
    line(4_096),
    'A directory with `tls.crt`, `tls.key` and `ca.crt` (PEM), as cert-manager and Kubernetes mount them. The control port then speaks only TLS, and a GoAway goes to a control port with TLS only when `ca.crt` has signed its certificate. The plugin takes renewed files without a restart. Default: none; control ports speak plain HTTP.',
  ),
  LOSSLESS_TLS_NAME: optional(
    serviceName,
    'Name that the certificate of every control port of the fleet must contain. Default: none; each certificate must contain the address of its control port.',
  ),
  LOSSLESS_TLS_CLIENT_AUTH: having(
    flag,
    'false',
    '`true`, with LOSSLESS_TLS_DIR: GoAways and operators must present a certificate that `ca.crt` has signed. Probes and `/metrics` need none. Elsewhere: mutual TLS.',
  ),
  LOSSLESS_GRACE_PERIOD_MS: having(
    integer(1_000, 24 * HOUR),
    '30000',
    'Total time for an offline, in milliseconds. Sensible: above the longest request, and 5 s below the kill time-out of the platform, because the handlers of the application run afterwards, for at least 1 s. Elsewhere: `terminationGracePeriodSeconds` of Kubernetes, `TimeoutStopSec` of systemd, `kill_timeout` of PM2.',
  ),
  LOSSLESS_SIGNALS: having(
    endSignals,
    'SIGTERM,SIGINT',
    'Signals that begin an offline, separated by commas. Any other signal acts as without the plugin.',
  ),
  LOSSLESS_HOLD_MS: having(
    integer(0, HOUR),
    '10000',
    'Longest time, in milliseconds, for which a leaving instance serves callers that got no GoAway. Failed health checks and the pauses between their connections shorten it. Sensible: the time after which the last caller has a new address list, 5000 to 60000. Elsewhere: the `sleep` in a preStop hook, the deregistration delay of an AWS balancer.',
  ),
  LOSSLESS_HEALTH_PATHS: optional(
    list(urlPath, 16),
    'Paths of the application, without a query and separated by commas, at which balancers and proxies check this instance. A leaving instance answers them with 503, whatever the application says, and does not count them as calls. Leave out a path at which a platform checks whether the process lives. Default: LOSSLESS_PROBE.',
  ),
  LOSSLESS_HEALTH_FAILURES: having(
    integer(1, 100),
    '3',
    'Failing answers after which a balancer takes an instance out. Set it to the threshold of your balancer, usually 2 to 5. Elsewhere: `fall` of HAProxy, `unhealthy_threshold` of Envoy.',
  ),
  LOSSLESS_STATUS_FILE: optional(
    line(4_096),
    'A file that exists while this instance is ready, for a proxy beside it. A leaving instance removes it first.',
  ),
  LOSSLESS_ENTRY: having(
    choice(...ENTRY_MODES),
    'serve',
    'How a leaving instance treats callers without the plugin. `serve`: it takes new connections until these callers stay away. `refuse`: it takes no new connection from the beginning and serves the open ones; for proxies that pass a refused connection on to another instance, and for a socket that another process keeps open (systemd).',
  ),
  LOSSLESS_ENTRY_PORTS: having(
    list(integer(1, 65_535), 16),
    '',
    'Ports on which a proxy beside the application serves its clients, separated by commas. An offline waits until none of them has a connection left. Linux only. Default: none.',
  ),
  LOSSLESS_ENTRY_CHECK_MS: having(
    integer(0, HOUR),
    '10000',
    'With LOSSLESS_ENTRY_PORTS: how long the balancer before that proxy takes to take an instance out, in milliseconds: its interval times its threshold. The offline waits at least this long, because new connections may come until then.',
  ),
  LOSSLESS_KEEP_ALIVE_MS: optional(
    integer(1_000, HOUR),
    'How long the HTTP servers of the application keep an idle connection, in milliseconds. Set it above the idle time-out of the proxy or balancer before them, for example to 65000 for 60 s. Default: what the application sets, else the 5 s of Node.js. Elsewhere: `server.keepAliveTimeout` of Node.js.',
  ),
  LOSSLESS_SESSION_NOTICE: having(
    flag,
    'true',
    '`true`: asks HTTP/2 clients without the plugin to go in two steps, so that no stream on its way is refused. The plugin writes the first step to the connection beside Node.js, only without TLS. `false`: one step, which refuses the streams that cross it.',
  ),
  LOSSLESS_STREAM_MS: optional(
    integer(0, HOUR),
    'How long an offline waits for gRPC streams that are being answered, in milliseconds from its beginning. Then they end with the status 14 (UNAVAILABLE). Default: until shortly before the deadline. Elsewhere: similar to `MAX_CONNECTION_AGE_GRACE` of gRPC.',
  ),
  LOSSLESS_GOAWAY_TIMEOUT_MS: having(
    integer(10, 60_000),
    '500',
    'How long one attempt of a GoAway waits for the first line of the answer, in milliseconds. Sensible: 200 to 2000, ten round trips or more.',
  ),
  LOSSLESS_SERVICES: having(
    list(serviceName, 1_000),
    '',
    'Host names with dots that are services, separated by commas, for example shop.internal. Single-label names need no entry. Default: none.',
  ),
  LOSSLESS_WARMUP_MS: having(
    integer(0, HOUR),
    '120000',
    'Warm-up time of a new instance, in milliseconds, during which its share of the calls grows; 0 switches it off. Sensible: 10000 to 300000, until caches and the JIT compiler are warm. Elsewhere: `slow_start` of nginx, `slow_start_window` of Envoy.',
  ),
  LOSSLESS_REGISTER_DELAY_MS: having(
    integer(0, HOUR),
    '0',
    'Wait between listening and registering, in milliseconds. LOSSLESS_PROBE is better where the application can tell that it is ready. Elsewhere: `initialDelaySeconds` of Kubernetes.',
  ),
  LOSSLESS_PROBE: optional(
    probe,
    'Path of the application that must answer 2xx before the instance is registered, for example /health. For a gRPC server use its health service (`grpc.health.v1`), which must answer SERVING: `grpc:` for the server as a whole, or `grpc:echo.Echo` for one service. Default: none; a listening server is ready. Elsewhere: `startupProbe` of Kubernetes.',
  ),
  LOSSLESS_PRECONNECT: having(
    list(serviceName, 100),
    'learned',
    'Services, separated by commas, to each of whose instances the plugin connects before it registers this instance, so that the first calls find a connection. `learned`: the services that this service called last time; `none`: no connections.',
  ),
  LOSSLESS_GRPC: having(
    flag,
    'true',
    '`true`: calls of @grpc/grpc-js reach services by name: `lossless:///service-b`, and single-label targets that the registry knows. `false` leaves grpc-js alone.',
  ),
  LOSSLESS_READINESS: having(
    choice(...READINESS),
    'registered',
    'When /readiness answers 200. `registered`: as soon as the registry lists the instance; `warmed`: at the end of its warm-up.',
  ),
  LOSSLESS_APP_TRACING: having(
    flag,
    'false',
    '`true`: starts @opentelemetry/sdk-node for an application without an SDK of its own, so that its requests are traced too; OTEL_* configure it. Needs `npm install @opentelemetry/sdk-node @opentelemetry/instrumentation-http @opentelemetry/instrumentation-undici`.',
  ),
  LOSSLESS_SPOOL_DIR: optional(
    line(4_096),
    'Where spans and metrics wait that the plugin could not send. Where other users may write too, it uses a directory of this user inside. Default: a directory of this user under the temporary directory. In a container use a volume, so that they outlive it.',
  ),
  LOSSLESS_LOG_LEVEL: having(
    choice('debug', 'info', 'warn', 'error', 'silent'),
    'info',
    'Least severe level that is logged. Elsewhere: `level` of pino.',
  ),
  LOSSLESS_STRICT: having(
    flag,
    'false',
    '`true`: a bad value or a failed start ends the process with exit code 78. `false`: the plugin logs it and the application runs without the plugin.',
  ),
  OTEL_SERVICE_NAME: optional(serviceName, 'Name of this service when LOSSLESS_SERVICE is not set.'),
  OTEL_RESOURCE_ATTRIBUTES: optional(
    line(65_536),
    'Attributes of the resource, as OpenTelemetry defines them, for example service.version=2.1.0.',
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: having(
    url('http:', 'https:'),
    'http://127.0.0.1:4318',
    'Where the plugin sends spans and metrics (OTLP/HTTP). It appends /v1/traces and /v1/metrics.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: optional(
    url('http:', 'https:'),
    'Replaces OTEL_EXPORTER_OTLP_ENDPOINT for spans. Nothing is appended.',
  ),
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: optional(
    url('http:', 'https:'),
    'Replaces OTEL_EXPORTER_OTLP_ENDPOINT for metrics. Nothing is appended; for Prometheus, for example, http://prometheus:9090/api/v1/otlp/v1/metrics.',
  ),
  LOSSLESS_JAEGER_URL: optional(
    url('http:', 'https:'),
    'Where people look at traces; commands and log lines print links to it. Default: port 16686 of the host to which spans are sent.',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: optional(
    line(16_384),
    'Headers of every export request, as key=value pairs between commas, percent-encoded.',
    true,
  ),
  OTEL_EXPORTER_OTLP_COMPRESSION: having(choice('gzip', 'none'), 'gzip', 'Compression of export requests.'),
  OTEL_EXPORTER_OTLP_TIMEOUT: having(
    integer(1, 600_000),
    '10000',
    'Longest time for one export with its retries, in milliseconds. At the end of an offline an export gets 2 s at most.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: optional(
    line(16_384),
    'Replaces headers of OTEL_EXPORTER_OTLP_HEADERS for spans, header by header.',
    true,
  ),
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: optional(
    choice('gzip', 'none'),
    'Replaces OTEL_EXPORTER_OTLP_COMPRESSION for spans.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: optional(integer(1, 600_000), 'Replaces OTEL_EXPORTER_OTLP_TIMEOUT for spans.'),
  OTEL_EXPORTER_OTLP_METRICS_HEADERS: optional(
    line(16_384),
    'Replaces headers of OTEL_EXPORTER_OTLP_HEADERS for metrics, header by header.',
    true,
  ),
  OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: optional(
    choice('gzip', 'none'),
    'Replaces OTEL_EXPORTER_OTLP_COMPRESSION for metrics.',
  ),
  OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: optional(integer(1, 600_000), 'Replaces OTEL_EXPORTER_OTLP_TIMEOUT for metrics.'),
  OTEL_EXPORTER_OTLP_PROTOCOL: having(
    choice('http/protobuf', 'http/json', 'grpc'),
    'http/protobuf',
    'Encoding of spans and metrics. A collector that answers 415 gets the other encoding of http/protobuf and http/json. The plugin does not speak `grpc`: it warns, because that endpoint is another one, and uses http/protobuf.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: optional(
    choice('http/protobuf', 'http/json', 'grpc'),
    'Replaces OTEL_EXPORTER_OTLP_PROTOCOL for spans.',
  ),
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: optional(
    choice('http/protobuf', 'http/json', 'grpc'),
    'Replaces OTEL_EXPORTER_OTLP_PROTOCOL for metrics.',
  ),
  OTEL_EXPORTER_OTLP_CERTIFICATE: optional(
    line(4_096),
    'PEM file with the authorities to trust for an https: endpoint.',
  ),
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: optional(
    line(4_096),
    'PEM file with the certificate that the plugin presents to the collector.',
  ),
  OTEL_EXPORTER_OTLP_CLIENT_KEY: optional(line(4_096), 'PEM file with the key of that certificate.'),
  OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: optional(line(4_096), 'Replaces OTEL_EXPORTER_OTLP_CERTIFICATE for spans.'),
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: optional(
    line(4_096),
    'Replaces OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE for spans.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: optional(line(4_096), 'Replaces OTEL_EXPORTER_OTLP_CLIENT_KEY for spans.'),
  OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: optional(line(4_096), 'Replaces OTEL_EXPORTER_OTLP_CERTIFICATE for metrics.'),
  OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE: optional(
    line(4_096),
    'Replaces OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE for metrics.',
  ),
  OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY: optional(line(4_096), 'Replaces OTEL_EXPORTER_OTLP_CLIENT_KEY for metrics.'),
  OTEL_TRACES_EXPORTER: having(
    list(line(256), 16),
    'otlp',
    '`none`: the plugin sends no spans. Any other exporter than otlp affects only the application: shutdown traces go by OTLP.',
  ),
  OTEL_METRICS_EXPORTER: having(
    list(line(256), 16),
    'otlp',
    '`none`: the plugin sends no metrics at the end of an offline. It sends none either when only OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set as an endpoint. Any other exporter than otlp affects only the application: these metrics go by OTLP.',
  ),
  OTEL_SDK_DISABLED: having(flag, 'false', '`true`: the plugin makes no spans and no metrics.'),
  TRACEPARENT: optional(
    line(256),
    'A span of another trace that caused this process; the shutdown trace links to it. Elsewhere: `traceparent` of W3C Trace Context.',
  ),
} as const satisfies Record<string, Variable<unknown>>;

/** The name of a variable. */
export type VariableName = keyof typeof VARIABLES;

type Parsed<V> = V extends { readonly parse: Parser<infer T> }
  ? V extends { readonly default: string }
    ? T
    : T | undefined
  : never;

/** The parsed environment: every variable under its own name, checked. */
export type Environment = { readonly [N in VariableName]: Parsed<(typeof VARIABLES)[N]> };
