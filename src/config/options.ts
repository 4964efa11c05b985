import { join } from 'node:path';
import { asError } from '../errors.ts';
import { defaultDirectory } from '../io/private-directory.ts';
import { readLinked } from '../io/small-file.ts';
import type { EndSignal } from '../lifecycle/outcomes.ts';
import { type Problem, type RawEnvironment, readEnvironment } from './environment.ts';
import { nearestPackage } from './package.ts';
import { isAttribute, isHeader, isLabel, type Rule, readPairs } from './pairs.ts';
import { serviceName } from './parsers.ts';
import { completeResource } from './resource.ts';
import type { Signal, Target } from './target.ts';
import { type Environment, VARIABLES } from './variables.ts';

/**
 * Name of a process without a name. The plugin logs that only when the process listens, because most such processes are tools.
 */
export const UNNAMED = 'unknown_service';

/** The configuration of all rooms: the environment, checked and completed, under plain names. */
export interface Options {
  readonly enabled: boolean;
  readonly service: string;
  /** Whether the environment names it, not a package.json. */
  readonly serviceIsSet: boolean;
  /** At least one. */
  readonly registries: readonly URL[];
  readonly advertise: Environment['LOSSLESS_ADVERTISE'];
  /** The port that the platform has given the application: its variable PORT, when it is a port number. */
  readonly port: number | undefined;
  /** Labels of the registration, the zone among them. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly zone: string | undefined;
  readonly controlPort: number;
  /** Probes or hooks rely on this very port: the variable is set, or the process runs in a pod. */
  readonly controlPortIsFixed: boolean;
  /** GET changes state as POST does. */
  readonly controlGet: boolean;
  readonly controlHost: string;
  /** One or two secrets; undefined: nothing is signed. */
  readonly secrets: readonly string[] | undefined;
  /** The file from which they were read, and will be read again. */
  readonly secretFile: string | undefined;
  /** Undefined: the control port speaks plain HTTP. */
  readonly tls: TlsOptions | undefined;
  readonly gracePeriodMs: number;
  readonly signals: readonly EndSignal[];
  readonly holdMs: number;
  readonly healthPaths: readonly string[];
  readonly healthFailures: number;
  readonly statusFile: string | undefined;
  readonly entry: Environment['LOSSLESS_ENTRY'];
  readonly entryPorts: readonly number[];
  readonly entryCheckMs: number;
  /** Undefined: the value of the application. */
  readonly keepAliveMs: number | undefined;
  readonly goawayTimeoutMs: number;
  readonly sessionNotice: boolean;
  readonly streamMs: number | undefined;
  readonly services: readonly string[];
  readonly warmupMs: number;
  readonly registerDelayMs: number;
  readonly probe: string | undefined;
  readonly readiness: Environment['LOSSLESS_READINESS'];
  /** Services to connect to ahead; undefined: those called last time. */
  readonly preconnect: readonly string[] | undefined;
  /** Whether calls of @grpc/grpc-js are covered. */
  readonly grpc: boolean;
  readonly spoolDir: string;
  readonly logLevel: Environment['LOSSLESS_LOG_LEVEL'];
  /** Attributes of the resource, decoded. */
  readonly resource: Readonly<Record<string, string>>;
  /** Where spans are sent. */
  readonly traces: Target;
  /** Where the metrics of an offline are sent. */
  readonly metrics: Target;
  /** Where people look at traces, without a trailing slash. */
  readonly jaegerUrl: string;
  /** Whether spans are made, and metrics of an offline. */
  readonly exported: { readonly traces: boolean; readonly metrics: boolean };
  readonly traceparent: string | undefined;
  /** The file from which Kubernetes takes a last message. */
  readonly terminationLog: string | undefined;
  /** Variables of a process manager. */
  readonly processManager: ProcessManager;
}

/** How control ports speak TLS. */
export interface TlsOptions {
  /** Holds the files of `TLS_FILES`. */
  readonly directory: string;
  /** The name that every certificate must contain; undefined: the called address. */
  readonly name: string | undefined;
  /** Senders of GoAways and operators must present a certificate too. */
  readonly clientAuth: boolean;
}

/** Files of a TLS directory: certificate, its key, and the authorities to trust. */
export const TLS_FILES = ['tls.crt', 'tls.key', 'ca.crt'] as const;

/** Variables of PM2, as it sets them in every process it starts. */
export interface ProcessManager {
  readonly pm_id: string | undefined;
  /** In milliseconds; set only when configured. */
  readonly kill_timeout: string | undefined;
}

/** Variables that hold pairs. */
type PairsName =
  | 'OTEL_RESOURCE_ATTRIBUTES'
  | 'LOSSLESS_METADATA'
  | `OTEL_EXPORTER_OTLP_${'' | 'TRACES_' | 'METRICS_'}HEADERS`;

/** The outcome of reading the environment. */
export interface Loaded {
  /** Undefined when a value is bad: the application then runs without the plugin. */
  readonly options: Options | undefined;
  readonly problems: readonly Problem[];
  /** LOSSLESS_STRICT: then the process ends instead. */
  readonly strict: boolean;
}

/** Undefined: those called last time. */
function preconnected(names: readonly string[]): readonly string[] | undefined {
  const [word] = names;
  if (names.length === 1 && word === 'learned') return undefined;
  return names.length === 1 && word === 'none' ? [] : names;
}

/** Reads and completes the configuration. Never throws. */
export function loadOptions(raw: RawEnvironment): Loaded {
  const { environment, problems: found } = readEnvironment(raw);
  const problems = [...found];
  const secrets = readSecrets(environment, problems);
  const tls = readTls(environment, problems);
  const pairs = (name: PairsName, rule: Rule) => {
    const { values, bad } = readPairs(environment[name] ?? '', rule);
    if (bad > 0)
      problems.push({
        message: `${name} must be key=value pairs, percent-encoded; ${bad} of them are not`,
        fatal: false,
      });
    return values;
  };
  const given = pairs('OTEL_RESOURCE_ATTRIBUTES', isAttribute);
  const metadata = pairs('LOSSLESS_METADATA', isLabel);
  const program = nearestPackage();
  const zone = environment.LOSSLESS_ZONE;
  const set = environment.LOSSLESS_SERVICE ?? environment.OTEL_SERVICE_NAME ?? named(given['service.name']);
  const service = set ?? named(program?.name) ?? UNNAMED;
  const strict = environment.LOSSLESS_STRICT;
  if (problems.some((problem) => problem.fatal)) return { options: undefined, problems, strict };
  const headers = pairs('OTEL_EXPORTER_OTLP_HEADERS', isHeader);
  const exporterOf = (signal: Signal): Target => {
    const of = signal === 'traces' ? 'TRACES' : 'METRICS';
    const endpoint = environment[`OTEL_EXPORTER_OTLP_${of}_ENDPOINT`];
    return {
      signal,
      endpoint: endpoint ?? appendPath(environment.OTEL_EXPORTER_OTLP_ENDPOINT, signal),
      headers: { ...headers, ...pairs(`OTEL_EXPORTER_OTLP_${of}_HEADERS`, isHeader) },
      protocol: protocolOf(environment, of),
      compression: environment[`OTEL_EXPORTER_OTLP_${of}_COMPRESSION`] ?? environment.OTEL_EXPORTER_OTLP_COMPRESSION,
      timeoutMs: environment[`OTEL_EXPORTER_OTLP_${of}_TIMEOUT`] ?? environment.OTEL_EXPORTER_OTLP_TIMEOUT,
      tls: tlsFiles(environment, of),
    };
  };
  const traces = exporterOf('traces');
  const { endpoint } = traces;
  if ((environment.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? environment.OTEL_EXPORTER_OTLP_PROTOCOL) === 'grpc')
    problems.push({
      message: `OTEL_EXPORTER_OTLP_PROTOCOL is grpc, but shutdown traces go over HTTP, to ${endpoint.host}; a collector takes them at port 4318 by default`,
      fatal: false,
    });
  const exporters = environment.OTEL_TRACES_EXPORTER.map((name) => name.toLowerCase());
  if (!isNone(exporters) && !exporters.includes('otlp'))
    problems.push({
      message: `OTEL_TRACES_EXPORTER is ${exporters.join(',')}, but shutdown traces go by OTLP, to ${endpoint.host}; set it to none to send none`,
      fatal: false,
    });
  const spool = environment.LOSSLESS_SPOOL_DIR === undefined ? defaultDirectory('lossless-spool') : undefined;
  if (spool?.problem !== undefined)
    problems.push({ message: `LOSSLESS_SPOOL_DIR is not set, and ${spool.problem}`, fatal: false });
  const options: Options = {
    enabled: environment.LOSSLESS_ENABLED,
    service,
    serviceIsSet: set !== undefined,
    registries: environment.LOSSLESS_REGISTRY.map((url) => inCluster(url, raw)),
    advertise: environment.LOSSLESS_ADVERTISE,
    port: portOf(raw['PORT']),
    metadata: { ...metadata, ...(zone !== undefined && { zone }) },
    zone,
    controlPort: environment.LOSSLESS_CONTROL_PORT,
    controlPortIsFixed:
      (raw['LOSSLESS_CONTROL_PORT'] ?? '').trim() !== '' || raw['KUBERNETES_SERVICE_HOST'] !== undefined,
    controlGet: environment.LOSSLESS_CONTROL_GET,
    controlHost: environment.LOSSLESS_CONTROL_HOST,
    secrets,
    secretFile: environment.LOSSLESS_SECRET_FILE,
    tls,
    gracePeriodMs: environment.LOSSLESS_GRACE_PERIOD_MS,
    signals: environment.LOSSLESS_SIGNALS,
    holdMs: environment.LOSSLESS_HOLD_MS,
    healthPaths: environment.LOSSLESS_HEALTH_PATHS ?? pathsOf(environment.LOSSLESS_PROBE),
    healthFailures: environment.LOSSLESS_HEALTH_FAILURES,
    statusFile: environment.LOSSLESS_STATUS_FILE,
    entry: environment.LOSSLESS_ENTRY,
    entryPorts: environment.LOSSLESS_ENTRY_PORTS,
    entryCheckMs: environment.LOSSLESS_ENTRY_CHECK_MS,
    keepAliveMs: environment.LOSSLESS_KEEP_ALIVE_MS,
    goawayTimeoutMs: environment.LOSSLESS_GOAWAY_TIMEOUT_MS,
    sessionNotice: environment.LOSSLESS_SESSION_NOTICE,
    streamMs: environment.LOSSLESS_STREAM_MS,
    services: environment.LOSSLESS_SERVICES,
    warmupMs: environment.LOSSLESS_WARMUP_MS,
    registerDelayMs: environment.LOSSLESS_REGISTER_DELAY_MS,
    probe: environment.LOSSLESS_PROBE,
    preconnect: preconnected(environment.LOSSLESS_PRECONNECT),
    grpc: environment.LOSSLESS_GRPC,
    readiness: environment.LOSSLESS_READINESS,
    spoolDir: environment.LOSSLESS_SPOOL_DIR ?? spool?.path ?? '',
    logLevel: environment.LOSSLESS_LOG_LEVEL,
    resource: completeResource(given, {
      zone,
      version: metadata['version'] ?? program?.version,
      pod: raw['KUBERNETES_SERVICE_HOST'] === undefined ? undefined : (raw['POD_NAME'] ?? raw['HOSTNAME']),
    }),
    traces,
    metrics: exporterOf('metrics'),
    jaegerUrl: (environment.LOSSLESS_JAEGER_URL?.href ?? `http://${endpoint.hostname}:16686`).replace(/\/+$/, ''),
    exported: {
      traces: !environment.OTEL_SDK_DISABLED && !isNone(environment.OTEL_TRACES_EXPORTER),
      metrics:
        !environment.OTEL_SDK_DISABLED &&
        !isNone(environment.OTEL_METRICS_EXPORTER) &&
        !isForTracesOnly(environment, raw),
    },
    traceparent: environment.TRACEPARENT,
    terminationLog: raw['KUBERNETES_SERVICE_HOST'] === undefined ? undefined : '/dev/termination-log',
    processManager: { pm_id: raw['pm_id'], kill_timeout: raw['kill_timeout'] },
  };
  return { options, problems, strict };
}

/** The probe is a health check, wherever else it comes from; its query is no part of the path. */
function pathsOf(probe: string | undefined): readonly string[] {
  return probe?.startsWith('/') !== true ? [] : [probe.replace(/\?.*/s, '')];
}

/** `kubernetes:` without a host is the API server of the cluster, from the variables of the pod. */
function inCluster(url: URL, raw: RawEnvironment): URL {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = raw;
  if (url.protocol !== 'kubernetes:' || url.hostname !== '' || host === undefined) return url;
  return URL.parse(`kubernetes://${host.includes(':') ? `[${host}]` : host}:${port}/${url.search}`) ?? url;
}

/** PORT belongs to others and may hold another value (a pipe, a URL). */
function portOf(text = ''): number | undefined {
  const port = /^\d{1,5}$/.test(text.trim()) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/** Both a secret and a file are a mistake that would show only when the secret is replaced, so neither wins. */
function readSecrets(environment: Environment, problems: Problem[]): readonly string[] | undefined {
  const path = environment.LOSSLESS_SECRET_FILE;
  if (path === undefined) return environment.LOSSLESS_SECRET;
  if (environment.LOSSLESS_SECRET !== undefined) {
    problems.push({
      message: 'LOSSLESS_SECRET and LOSSLESS_SECRET_FILE are both set; expected one of them',
      fatal: true,
    });
    return undefined;
  }
  try {
    return parseSecrets(readLinked(path));
  } catch (thrown) {
    problems.push({
      message: `LOSSLESS_SECRET_FILE must be a plain file with the secret: ${asError(thrown).message}`,
      fatal: true,
    });
    return undefined;
  }
}

/**
 * The secrets in the text of a file.
 *
 * @throws Error when it does not hold one or two
 */
export function parseSecrets(text: string): readonly string[] {
  return VARIABLES.LOSSLESS_SECRET.parse(text);
}

/** Whether key and certificate fit is known when they are used. */
function readTls(environment: Environment, problems: Problem[]): TlsOptions | undefined {
  const { LOSSLESS_TLS_DIR: directory, LOSSLESS_TLS_NAME: name, LOSSLESS_TLS_CLIENT_AUTH: clientAuth } = environment;
  if (directory === undefined) {
    if (clientAuth)
      problems.push({ message: 'LOSSLESS_TLS_CLIENT_AUTH is true, but LOSSLESS_TLS_DIR is not set', fatal: true });
    return undefined;
  }
  try {
    for (const file of TLS_FILES) readLinked(join(directory, file));
  } catch (thrown) {
    problems.push({
      message: `LOSSLESS_TLS_DIR must be a directory with ${TLS_FILES.join(', ')}: ${asError(thrown).message}`,
      fatal: true,
    });
  }
  return { directory, name, clientAuth };
}

/** The signal's path is appended to the common endpoint (OTLP specification, exporter configuration). */
function appendPath(endpoint: URL, signal: Signal): URL {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${signal}`;
  return url;
}

/** A collector that is named only for traces is not one for metrics. */
function isForTracesOnly(environment: Environment, raw: RawEnvironment): boolean {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: metrics } = environment;
  return traces !== undefined && metrics === undefined && (raw['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '').trim() === '';
}

/** Whether the exporters of a signal are `none` alone. */
function isNone(exporters: readonly string[]): boolean {
  return exporters.length > 0 && exporters.every((name) => name.toLowerCase() === 'none');
}

/** In place of gRPC, which the plugin does not speak, the default is used. */
function protocolOf(environment: Environment, of: 'TRACES' | 'METRICS'): Target['protocol'] {
  const named = environment[`OTEL_EXPORTER_OTLP_${of}_PROTOCOL`] ?? environment.OTEL_EXPORTER_OTLP_PROTOCOL;
  return named === 'http/json' ? named : 'http/protobuf';
}

function tlsFiles(environment: Environment, of: 'TRACES' | 'METRICS'): Target['tls'] {
  const ca = environment[`OTEL_EXPORTER_OTLP_${of}_CERTIFICATE`] ?? environment.OTEL_EXPORTER_OTLP_CERTIFICATE;
  const cert =
    environment[`OTEL_EXPORTER_OTLP_${of}_CLIENT_CERTIFICATE`] ?? environment.OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE;
  const key = environment[`OTEL_EXPORTER_OTLP_${of}_CLIENT_KEY`] ?? environment.OTEL_EXPORTER_OTLP_CLIENT_KEY;
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function named(name: string | undefined): string | undefined {
  try {
    return name === undefined ? undefined : serviceName(name);
  } catch {
    return undefined;
  }
}
