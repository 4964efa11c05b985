/**
 * Every error that this package can throw or log, by its stable code. A message says what was expected, what was received and
 * what to do; match on `code`, never on the text. `docs/reference/errors.md` is generated from this table.
 */
export const ERRORS = {
  LOSSLESS_CONFIG_INVALID: 'A LOSSLESS_* or OTEL_* variable has a value outside its rule. Correct the variable.',
  LOSSLESS_NODE_UNSUPPORTED: 'Node.js is older than 22.19. Run the service on Node.js 22.19 or later.',
  LOSSLESS_START_FAILED: 'The plugin could not start; the application runs without it. Read the cause.',
  LOSSLESS_HEADER_INVALID: 'A lossless-consumer or lossless-draining header is malformed or oversized; it is ignored.',
  LOSSLESS_GOAWAY_INVALID: 'A GoAway body is malformed or oversized; it is answered with 400.',
  LOSSLESS_SIGNATURE_INVALID:
    'A signature is missing, malformed, expired, replayed or does not match; answered with 403.',
  LOSSLESS_CONSUMER_UNPROVED:
    'A lossless-consumer header has no valid signature; its sender counts as a caller without the plugin. Give both sides the same secret.',
  LOSSLESS_TLS_MISMATCH:
    'One side of a control connection speaks TLS and the other one does not, or does not trust it. Set LOSSLESS_TLS_DIR on both; probes need `scheme: HTTPS`.',
  LOSSLESS_SENDER_FORBIDDEN:
    'A GoAway came from an address at which the named instance is not registered; answered with 403. Set LOSSLESS_SECRET on both sides when a proxy changes addresses.',
  LOSSLESS_AUDIENCE_GONE:
    'A GoAway was meant for a process that has exited; another one listens there now and answers with 410.',
  LOSSLESS_GOAWAY_SELF:
    'A GoAway came back to the instance that sent it, because a proxy or sidecar shows its own address as that of the consumer; answered with 421. Set LOSSLESS_ADVERTISE and LOSSLESS_SECRET at the consumer.',
  LOSSLESS_OPERATOR_UNPROVED:
    'Only an operator may make this call of the control port: with LOSSLESS_SECRET a holder of the secret, without it a program on this machine; answered with 403.',
  LOSSLESS_OTHER_INSTANCE:
    'A call of the control port names another service or instance than the one that listens there; answered with 421. Check --service, --instance and --port.',
  LOSSLESS_PROBE_FAILED: 'The application does not answer LOSSLESS_PROBE with 2xx; it is not registered until it does.',
  LOSSLESS_HEALTH_PATH:
    'The application answered a health check with 2xx while the instance leaves, so a balancer keeps sending. Name its path in LOSSLESS_HEALTH_PATHS.',
  LOSSLESS_STATUS_FILE:
    'LOSSLESS_STATUS_FILE could not be written or removed, so a proxy that follows it acts on an old state. Name a plain file in a directory that the service may write to.',
  LOSSLESS_KEEP_ALIVE:
    'A server closes idle connections sooner than the proxy before it, so requests are lost. Set LOSSLESS_KEEP_ALIVE_MS above the idle time-out of the proxy.',
  LOSSLESS_SERVER_AMBIGUOUS:
    'Several HTTP servers listen, and the plugin cannot tell which one consumers call. Name its port by LOSSLESS_ADVERTISE or PORT, or set LOSSLESS_PROBE.',
  LOSSLESS_ADDRESS_UNREACHABLE:
    'The address to register takes no connection from this process. Check LOSSLESS_ADVERTISE and the address the server is bound to.',
  LOSSLESS_APP_TRACING:
    'LOSSLESS_APP_TRACING is set, and request traces were not started: the application has its own SDK, or packages are missing.',
  LOSSLESS_REGISTRY_URL: 'LOSSLESS_REGISTRY names no known registry or is not a URL. Use a documented scheme.',
  LOSSLESS_REGISTRY_MODULE:
    'The module that LOSSLESS_REGISTRY names cannot be loaded, does not export openBackend, or returns no backend. See docs/registries/own.md.',
  LOSSLESS_REGISTRY_UNAVAILABLE:
    'The registry could not be reached or refused the call. Check its address and permissions.',
  LOSSLESS_REGISTRY_CORRUPT: 'The registry holds an entry that the plugin cannot use; it skips the entry.',
  LOSSLESS_REGISTRY_PORT:
    'A Kubernetes Service has several ports that HTTP calls could go to, or none. Name one with `port=` in the URL.',
  LOSSLESS_GRPC_ALONE:
    'An HTTP request to a service whose instances speak only gRPC fails. Call it with a gRPC client, or let it listen with an HTTP server too.',
  LOSSLESS_SPOOL_CORRUPT:
    'A spooled telemetry file cannot be read, or the collector refuses it; it was set aside with the suffix .corrupt.',
  LOSSLESS_SPOOL_FULL: 'The spool reached its bound; the oldest files were removed to make room.',
  LOSSLESS_SPOOL_UNWRITABLE: 'The spool directory cannot be written. Check LOSSLESS_SPOOL_DIR; spans are lost.',
  LOSSLESS_EXPORT_FAILED: 'Spans could not be delivered to the collector; they were spooled.',
  LOSSLESS_CONTROL_PORT:
    'The control server could not listen, listens on another port than the default one, or no instance answers there. Check LOSSLESS_CONTROL_HOST, LOSSLESS_CONTROL_PORT or --port.',
  LOSSLESS_DISPATCHER_UNCOVERED:
    'A call to a service bypassed the plugin, by a dispatcher of a copy of undici inside a bundle or by an H2CClient. Use `fetch` without a dispatcher, or leave undici out of the bundle.',
  LOSSLESS_DISPATCHER_BYPASSED:
    'The application has set a global undici dispatcher, or calls by one, that does not reveal its settings; its settings and interceptors do not hold for calls to services.',
  LOSSLESS_SESSION_REFUSED:
    'No instance of a service accepted the connection of an HTTP/2 session, which fails with the error of the last one. Check that the instances listen at the listed addresses.',
  LOSSLESS_SESSION_UNCOVERED:
    'The application connects an HTTP/2 session to a service by itself, to an address at which no instance is listed. A copy of @grpc/grpc-js inside a bundle does so: leave the package out of the bundle (esbuild: `--external:@grpc/grpc-js`).',
  LOSSLESS_GRPC_UNCOVERED:
    'This plugin does not cover calls to services by name with this version of @grpc/grpc-js. See docs/grpc.md for the covered versions.',
  LOSSLESS_TASK_FAILED:
    'A promise that the application gave to `waitUntil` was rejected, for the first time under this name, or a listener of `subscribe` has failed. The task counts as over.',
  LOSSLESS_HOOK_FAILED:
    'The plugin failed inside a call of the application, which went on without it. Please report the line.',
  LOSSLESS_SIGNAL_UNSEEN: 'The parent process may not pass signals on. Start the service with `exec node ...`.',
  LOSSLESS_THREAD_LISTENS:
    'An HTTP server listens in a worker thread, where the plugin does not cover it. Listen in the main thread, or use node:cluster.',
  LOSSLESS_KILL_TIMEOUT:
    'The process manager kills the process before the grace period ends; its time-out is now the deadline.',
  LOSSLESS_COLLECTOR_UNREACHABLE: 'The trace store did not answer. Check its address, and whether it runs.',
  LOSSLESS_TRACE_NOT_FOUND: 'The trace store does not know this trace id.',
  LOSSLESS_DEMO_PROGRAM:
    '`lossless demo --entry` needs haproxy and nginx on PATH, `--grpc` needs @grpc/grpc-js in this folder, and one is missing. Install it.',
  LOSSLESS_USAGE: 'The command line is wrong. Run `lossless --help`.',
} as const;

/** A stable error code. */
export type ErrorCode = keyof typeof ERRORS;

/** The one error class of this package. */
export class LosslessError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.name = 'LosslessError';
    this.code = code;
  }
}

/** Turns any thrown value into an `Error`, so that `catch` clauses need no branches. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
