/** The signals that go to a collector, each to an address of its own. */
export type Signal = 'traces' | 'metrics';

/** A collector that takes one signal of OTLP over HTTP. */
export interface Target {
  readonly signal: Signal;
  /** Full URL, `/v1/traces` or `/v1/metrics` included. */
  readonly endpoint: URL;
  /** From OTEL_EXPORTER_OTLP_HEADERS; may hold credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** Encoding of the first request; a collector that refuses it gets the other one. */
  readonly protocol: 'http/protobuf' | 'http/json';
  readonly compression: 'gzip' | 'none';
  /** Longest time for one request with its retries, in milliseconds. */
  readonly timeoutMs: number;
  /** Paths of PEM files: authorities to trust instead of the usual ones, and this client's certificate and key. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}
