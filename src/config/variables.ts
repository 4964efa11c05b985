import { ENTRY_MODES, READINESS } from '../lifecycle/outcomes.ts';
import { endSignals } from './end-signals.ts';
import {
  advertise,
  choice,
  decimal,
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
  /** Set and empty is a mistake, and not the same as absent: it would switch protection off without a word. */
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
 * Every variable that is read. The type of the options, the reference page and every message about a bad value come from
 * this table.
 */
export const VARIABLES = {
  LOSSLESS_ENABLED: having(flag, 'false', 'Switches the plugin on. Off: nothing is touched.'),
  LOSSLESS_SERVICE: optional(
    serviceName,
    'Name of this service. Default: OTEL_SERVICE_NAME, else the name in the package.json nearest to the program.',
  ),
  LOSSLESS_REGISTRY: having(
    registryUrls,
    'file:',
    'The registry, as a URL; several, for a migration, separated by commas: each instance is registered in all of them and lists are merged. docs/registries has a page for each. `file:` alone is a directory of this user under the temporary directory; `file:///path` another one. `memory:` is for tests in one process. Any other scheme with `module=`, a package or a path, is a registry that this module knows (docs/registries/own.md).',
  ),
  LOSSLESS_ADVERTISE: optional(
    advertise,
    'Host, or host:port, under which this instance is registered; behind a mapping of ports with its port of gRPC, for example `shop.example:8080,grpc=shop.example:9090`. Default: the address the server is bound to; for a wildcard, the local address from which the registry is reached. When several HTTP servers listen, the one on its port is registered, else the one on the port that the variable PORT of the platform names.',
  ),
  LOSSLESS_ZONE: optional(
    line(128),
    'Availability zone of this instance. It is the label `zone` of its registration, and calls go to instances of the same zone as long as one of them can take requests. Default: none, and all instances are alike.',
  ),
  LOSSLESS_METADATA: optional(
    line(2_048),
    'Labels of this instance in the registry: key=value pairs between commas, values percent-encoded, for example version=2. A name has at most 64 letters, digits, dots, dashes and underscores, a value 256 characters.',
  ),
  LOSSLESS_CONTROL_PORT: having(
    integer(0, 65_535),
    '54199',
    'Port of the control server. When it is taken, the next free one is used, but neither when this is set nor in a pod: probes and hooks name that very port, so an error says who has it, and it is tried again. 0: any.',
  ),
  LOSSLESS_CONTROL_GET: having(
    flag,
    'false',
    'Lets GET of /offline and /online change state without the secret as bearer token too, for a hook that can do nothing else. Whatever in this process fetches a URL of somebody else could then end it.',
  ),
  LOSSLESS_CONTROL_HOST: having(line(253), '::', 'Address the control server listens on; `::` is all of them.'),
  LOSSLESS_SECRET: protecting(
    secrets,
    'Shared secret of the fleet. With it GoAways and consumer headers are signed (HMAC-SHA256), and unsigned ones are not believed; operators prove that they have it, on this machine as well. While it is replaced: two lines, the one that goes and the one that comes; both are accepted.',
    true,
  ),
  LOSSLESS_SECRET_FILE: protecting(
    line(4_096),
    'A plain file that holds the secret, as LOSSLESS_SECRET would; blanks and line ends around it are dropped. It is read again when it changes.',
  ),
  LOSSLESS_TLS_DIR: protecting(
    line(4_096),
    'A directory with `tls.crt`, `tls.key` and `ca.crt` (PEM), as cert-manager and Kubernetes mount them. With it the control port speaks TLS, and nothing else; a GoAway to a control port that speaks TLS is sent only when its certificate is signed by `ca.crt`. Renewed files are taken without a restart.',
  ),
  LOSSLESS_TLS_NAME: optional(
    serviceName,
    'Name that the certificate of every control port of the fleet must have. Default: each must have the address at which it is called.',
  ),
  LOSSLESS_TLS_CLIENT_AUTH: having(
    flag,
    'false',
    'With LOSSLESS_TLS_DIR: GoAways and operators must show a certificate signed by `ca.crt` (mutual TLS). Probes and `/metrics` need none.',
  ),
  LOSSLESS_GRACE_PERIOD_MS: having(
    integer(1_000, 24 * HOUR),
    '30000',
    'Total budget of an offline, in milliseconds. Keep it two seconds below the kill time-out of the platform: when it is used up, the handlers of the application still get one.',
  ),
  LOSSLESS_SIGNALS: having(
    endSignals,
    'SIGTERM,SIGINT',
    'Signals that begin an offline; comma-separated. Any other one ends the process as it does without the plugin.',
  ),
  LOSSLESS_QUIET_MS: having(
    integer(0, 60_000),
    '300',
    'Shortest time without a new request, in milliseconds, before a drain ends when not every consumer said it is idle.',
  ),
  LOSSLESS_HOLD_MS: having(
    integer(0, HOUR),
    '10000',
    'Longest time to keep serving, in milliseconds, for callers that could not be told. What is known of them shortens it: failed health checks, the pauses between their connections.',
  ),
  LOSSLESS_HEALTH_PATHS: optional(
    list(urlPath, 16),
    "Paths of the application, without a query, at which balancers and proxies ask whether this instance can be used; comma-separated. They are nobody's calls, and are answered with 503 while the instance leaves, whatever the application says. A path at which a platform asks whether the process lives does not belong here. Default: LOSSLESS_PROBE.",
  ),
  LOSSLESS_HEALTH_FAILURES: having(
    integer(1, 100),
    '3',
    'Failing answers after which a balancer takes an instance out (`fall` of HAProxy, `unhealthy threshold` elsewhere).',
  ),
  LOSSLESS_STATUS_FILE: optional(
    line(4_096),
    'A file that is there while this instance is ready, for a proxy beside it. It is the first thing that goes when the instance leaves.',
  ),
  LOSSLESS_ENTRY: having(
    choice(...ENTRY_MODES),
    'serve',
    'What callers without the plugin find while the instance leaves. `serve`: it takes connections until they stay away. `refuse`: it takes none from the beginning and serves those that stand; for proxies that pass a refused connection on to another instance, and for a socket that somebody else goes on holding (systemd).',
  ),
  LOSSLESS_ENTRY_PORTS: having(
    list(integer(1, 65_535), 16),
    '',
    'Ports on which a proxy beside the application serves its clients; comma-separated. An offline waits until none of them has a connection left. Linux only.',
  ),
  LOSSLESS_ENTRY_CHECK_MS: having(
    integer(0, HOUR),
    '10000',
    'With LOSSLESS_ENTRY_PORTS: how long the balancer before that proxy takes to take an instance out, its interval times its threshold, in milliseconds. As long is waited at least, as new connections may come until then.',
  ),
  LOSSLESS_KEEP_ALIVE_MS: optional(
    integer(1_000, HOUR),
    'How long the HTTP servers of the application keep an idle connection, in milliseconds: longer than the proxy or balancer before them does, for example 65000. Default: what the application sets, else the 5 s of Node.js.',
  ),
  LOSSLESS_SESSION_NOTICE: having(
    flag,
    'true',
    'Asks HTTP/2 clients without the plugin to go in two steps, so that no stream that is on its way is refused. The first one is a frame written beside Node.js, without TLS only; `false`: one step, which refuses what crosses it.',
  ),
  LOSSLESS_STREAM_MS: optional(
    integer(0, HOUR),
    'How long an offline waits for streams of gRPC that are answering, in milliseconds from its begin; then they end with the status 14 (UNAVAILABLE). Default: until shortly before the deadline.',
  ),
  LOSSLESS_GOAWAY_TIMEOUT_MS: having(
    integer(10, 60_000),
    '500',
    'Time-out of one GoAway attempt until its first line, in milliseconds.',
  ),
  LOSSLESS_GOAWAY_ATTEMPTS: having(
    integer(1, 10),
    '3',
    'Attempts per consumer, 100, 300 and 900 ms apart with jitter.',
  ),
  LOSSLESS_SERVICES: having(
    list(serviceName, 1_000),
    '',
    'Host names, beside single-label ones, that are services; comma-separated.',
  ),
  LOSSLESS_WARMUP_MS: having(
    integer(0, HOUR),
    '120000',
    'Warm-up time of a new instance, in milliseconds; 0 switches it off.',
  ),
  LOSSLESS_WARMUP_CURVE: having(
    decimal(1, 10),
    '2',
    'Exponent of the warm-up: share = (uptime / warm-up time) ^ curve.',
  ),
  LOSSLESS_REGISTER_DELAY_MS: having(integer(0, HOUR), '0', 'Wait between listening and registering, in milliseconds.'),
  LOSSLESS_PROBE: optional(
    probe,
    'Path of the application that must answer 2xx before it is registered, for example /health. A server of gRPC is asked by its health service (`grpc.health.v1`), which must say SERVING: `grpc:` for the server as a whole, or `grpc:echo.Echo` for one service.',
  ),
  LOSSLESS_PRECONNECT: having(
    list(serviceName, 100),
    'learned',
    'Services to which connections are built before this instance is registered, one to each of their instances; comma-separated. `learned`: those that this service called last time; `none`: none.',
  ),
  LOSSLESS_GRPC: having(
    flag,
    'true',
    'Covers calls of @grpc/grpc-js to services by name: `lossless:///service-b`, and single-label targets that the registry knows.',
  ),
  LOSSLESS_READINESS: having(choice(...READINESS), 'registered', 'When /readiness answers 200.'),
  LOSSLESS_APP_TRACING: having(
    flag,
    'false',
    'Starts @opentelemetry/sdk-node for an application without an SDK of its own, so that its requests are traced too; configured by OTEL_*. Needs `npm install @opentelemetry/sdk-node @opentelemetry/instrumentation-http @opentelemetry/instrumentation-undici`.',
  ),
  LOSSLESS_SPOOL_DIR: optional(
    line(4_096),
    'Where spans and metrics wait that could not be sent, for the collector that they are meant for. Where others may write too, a directory of this user inside it is used. Default: a directory of this user under the temporary directory.',
  ),
  LOSSLESS_LOG_LEVEL: having(
    choice('debug', 'info', 'warn', 'error', 'silent'),
    'info',
    'Least severe log line written.',
  ),
  LOSSLESS_STRICT: having(
    flag,
    'false',
    'A bad value or a failed start ends the process instead of running without the plugin.',
  ),
  OTEL_SERVICE_NAME: optional(serviceName, 'Name of this service, when LOSSLESS_SERVICE is not set.'),
  OTEL_RESOURCE_ATTRIBUTES: optional(line(65_536), 'Attributes of the resource, as OpenTelemetry defines them.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: having(
    url('http:', 'https:'),
    'http://127.0.0.1:4318',
    'Where spans and metrics are sent (OTLP/HTTP); /v1/traces and /v1/metrics are appended.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: optional(
    url('http:', 'https:'),
    'Goes before OTEL_EXPORTER_OTLP_ENDPOINT, and is taken as it is.',
  ),
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: optional(
    url('http:', 'https:'),
    'Goes before OTEL_EXPORTER_OTLP_ENDPOINT for metrics, and is taken as it is; for a Prometheus, for example, http://prometheus:9090/api/v1/otlp/v1/metrics.',
  ),
  LOSSLESS_JAEGER_URL: optional(
    url('http:', 'https:'),
    'Where traces are looked at, for the links that are printed. Default: port 16686 of the host that spans are sent to.',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: optional(
    line(16_384),
    'Headers of every export request, as key=value pairs, percent-encoded.',
    true,
  ),
  OTEL_EXPORTER_OTLP_COMPRESSION: having(choice('gzip', 'none'), 'gzip', 'Compression of export requests.'),
  OTEL_EXPORTER_OTLP_TIMEOUT: having(
    integer(1, 600_000),
    '10000',
    'Longest time for one export with its retries, in milliseconds; at the end of an offline the telemetry reserve is shorter.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: optional(
    line(16_384),
    'Goes before OTEL_EXPORTER_OTLP_HEADERS, header by header.',
    true,
  ),
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: optional(
    choice('gzip', 'none'),
    'Goes before OTEL_EXPORTER_OTLP_COMPRESSION.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: optional(integer(1, 600_000), 'Goes before OTEL_EXPORTER_OTLP_TIMEOUT.'),
  OTEL_EXPORTER_OTLP_METRICS_HEADERS: optional(
    line(16_384),
    'Goes before OTEL_EXPORTER_OTLP_HEADERS for metrics, header by header.',
    true,
  ),
  OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: optional(
    choice('gzip', 'none'),
    'Goes before OTEL_EXPORTER_OTLP_COMPRESSION for metrics.',
  ),
  OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: optional(
    integer(1, 600_000),
    'Goes before OTEL_EXPORTER_OTLP_TIMEOUT for metrics.',
  ),
  OTEL_EXPORTER_OTLP_PROTOCOL: having(
    choice('http/protobuf', 'http/json', 'grpc'),
    'http/protobuf',
    'How spans and metrics are written. A collector that answers 415 gets the other form. `grpc` is not spoken: it is warned about, because its endpoint is another one, and taken for http/protobuf.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: optional(
    choice('http/protobuf', 'http/json', 'grpc'),
    'Goes before OTEL_EXPORTER_OTLP_PROTOCOL.',
  ),
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: optional(
    choice('http/protobuf', 'http/json', 'grpc'),
    'Goes before OTEL_EXPORTER_OTLP_PROTOCOL for metrics.',
  ),
  OTEL_EXPORTER_OTLP_CERTIFICATE: optional(
    line(4_096),
    'PEM file with the authorities to trust for an https: endpoint.',
  ),
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: optional(line(4_096), 'PEM file with the certificate shown to the collector.'),
  OTEL_EXPORTER_OTLP_CLIENT_KEY: optional(line(4_096), 'PEM file with the key of that certificate.'),
  OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: optional(line(4_096), 'Goes before OTEL_EXPORTER_OTLP_CERTIFICATE.'),
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: optional(
    line(4_096),
    'Goes before OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE.',
  ),
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: optional(line(4_096), 'Goes before OTEL_EXPORTER_OTLP_CLIENT_KEY.'),
  OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: optional(
    line(4_096),
    'Goes before OTEL_EXPORTER_OTLP_CERTIFICATE for metrics.',
  ),
  OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE: optional(
    line(4_096),
    'Goes before OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE for metrics.',
  ),
  OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY: optional(
    line(4_096),
    'Goes before OTEL_EXPORTER_OTLP_CLIENT_KEY for metrics.',
  ),
  OTEL_TRACES_EXPORTER: having(
    list(line(256), 16),
    'otlp',
    'none: no spans are sent. Any other exporter than otlp concerns the application alone: shutdown traces go by OTLP.',
  ),
  OTEL_METRICS_EXPORTER: having(
    list(line(256), 16),
    'otlp',
    'none: no metrics are sent at the end of an offline; nor are any when OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is the only endpoint that is set. Any other exporter than otlp concerns the application alone: these metrics go by OTLP.',
  ),
  OTEL_SDK_DISABLED: having(flag, 'false', 'No spans and no metrics are made.'),
  TRACEPARENT: optional(line(256), 'Cause of this process in another trace; the shutdown trace links to it.'),
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
