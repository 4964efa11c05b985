import type { Json } from '../../src/json.ts';
import { decode, NoProtobuf, TooManyValues } from '../../src/trace/model/protobuf.ts';
import { type Attribute, readAttributes } from './attributes.ts';
import { list, object, parseJson, text } from './json.ts';
import { Refused } from './refused.ts';

/** The origin of spans: a process (its resource) and the library in it (its scope). Many spans share one. */
export interface Origin {
  readonly service: string;
  readonly resource: readonly Attribute[];
  readonly scope: { readonly name: string; readonly version: string; readonly attributes: readonly Attribute[] };
}

/** A span with the names and types of OTLP/JSON. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly events: readonly Event[];
  readonly links: readonly Link[];
  readonly status: { readonly code: number; readonly message: string };
}

export interface Event {
  readonly timeUnixNano: string;
  readonly name: string;
  readonly attributes: readonly Attribute[];
}

export interface Link {
  readonly traceId: string;
  readonly spanId: string;
  readonly attributes: readonly Attribute[];
}

/** A stored span with its origin. */
export interface StoredSpan extends Span {
  readonly origin: Origin;
}

/** Spans of one origin. */
export interface SpanGroup {
  readonly origin: Origin;
  readonly spans: readonly Span[];
}

/** The content of a request. */
export interface Decoded {
  readonly groups: readonly SpanGroup[];
  /** Number of spans that cannot be stored, and the fault of the first. */
  readonly rejected: number;
  readonly reason: string;
}

/** Span kinds by their number in OTLP, in Jaeger's words. */
export const KINDS = ['', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

/** Status codes by their number in OTLP, in Jaeger's words. */
export const STATUS = ['', 'OK', 'ERROR'] as const;

/** Most spans of one request, and most values of its JSON: an attribute of a span makes 4. */
const MOST_SPANS = 50_000;
const MOST_VALUES = 3_000_000;

/** Longest stored names of services and scopes, in characters: every span is shown with them. */
const LONGEST_NAME = 255;

/** The last moment that is stored, in nanoseconds: 2200-01-01. A later one comes from a broken clock and is replaced by it. */
const LAST_TIME = 7_258_118_400_000_000_000n;

/** The encoding of a request, by its media type. */
export const ENCODINGS = { 'application/json': 'json', 'application/x-protobuf': 'protobuf' } as const;

/** An encoding of a request. */
export type Encoding = (typeof ENCODINGS)[keyof typeof ENCODINGS];

/**
 * Reads the body of an OTLP/HTTP request with spans (OpenTelemetry protocol specification 1.9, both encodings). Fields that are
 * missing or null take their protobuf default. A span that cannot be read is left out, and the others are kept.
 *
 * @throws Refused 400 when the body as a whole is malformed, 413 when it holds too much; its message says where
 */
export function decodeOtlp(body: Buffer | string, encoding: Encoding = 'json'): Decoded {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const reader = new Reader();
  const resourceSpans = list(read(bytes, encoding, 'TracesRequest')['resourceSpans'], 'resourceSpans');
  const groups = resourceSpans.flatMap((each) => reader.resource(object(each, 'resourceSpans')));
  return { groups, rejected: reader.rejected, reason: reader.reason };
}

/**
 * Checks a request with metrics. None of them is stored: the traces hold the same.
 *
 * @throws Refused 400 when the body as a whole is malformed, 413 when it holds too much
 */
export function checkMetrics(body: Buffer, encoding: Encoding): object {
  list(read(body, encoding, 'MetricsRequest')['resourceMetrics'], 'resourceMetrics');
  return {};
}

/** Reads a message of `MESSAGES` into its JSON form. */
function read(bytes: Buffer, encoding: Encoding, message: string): Json {
  if (encoding === 'json') return object(parseJson(bytes, MOST_VALUES), 'the body');
  try {
    return decode(message, bytes, MOST_VALUES);
  } catch (thrown) {
    if (thrown instanceof TooManyValues) throw new Refused(413, thrown.message);
    if (thrown instanceof NoProtobuf) throw new Refused(400, `the body is not Protobuf: ${thrown.message}`);
    throw thrown;
  }
}

/** Reads the spans of one request, and counts those that it cannot read. */
class Reader {
  rejected = 0;
  reason = '';
  #spans = 0;

  resource({ resource: source, scopeSpans }: Json): readonly SpanGroup[] {
    const scopes = list(scopeSpans, 'scopeSpans').flatMap((each) => this.#scope(object(each, 'scopeSpans')));
    // A resource without spans is skipped, because it may be very large.
    if (scopes.length === 0) return [];
    const sent = this.#orRejected(scopes, () => readAttributes(object(source, 'resource')['attributes']));
    if (sent === undefined) return [];
    const service = serviceOf(sent);
    const resource = [
      ...sent.filter((attribute) => attribute.key !== 'service.name'),
      { key: 'service.name', value: { stringValue: service } },
    ];
    return scopes.map(({ scope, spans }) => ({ origin: { service, resource, scope }, spans }));
  }

  #scope({
    scope: source,
    spans: given,
  }: Json): readonly { readonly scope: Origin['scope']; readonly spans: readonly Span[] }[] {
    const sent = list(given, 'spans');
    this.#spans += sent.length;
    if (this.#spans > MOST_SPANS) throw new Refused(413, `expected at most ${MOST_SPANS} spans in one request`);
    const spans = sent.flatMap(
      (span) => this.#orRejected([{ spans: [span] }], () => spanOf(object(span, 'a span'))) ?? [],
    );
    if (spans.length === 0) return [];
    const scope = this.#orRejected([{ spans }], () => {
      const { name, version, attributes } = object(source, 'scope');
      return {
        name: text(name, LONGEST_NAME),
        version: text(version, LONGEST_NAME),
        attributes: readAttributes(attributes),
      };
    });
    return scope === undefined ? [] : [{ scope, spans }];
  }

  /** The result of `read`; undefined when it fails, and these spans are rejected. */
  #orRejected<T>(groups: readonly { readonly spans: readonly unknown[] }[], read: () => T): T | undefined {
    try {
      return read();
    } catch (thrown) {
      if (!(thrown instanceof Refused)) throw thrown;
      this.reason ||= thrown.message;
      this.rejected += groups.reduce((sum, { spans }) => sum + spans.length, 0);
      return undefined;
    }
  }
}

/** A process without a name gets the name that Jaeger gives it. */
function serviceOf(resource: readonly Attribute[]): string {
  const value = resource.find((attribute) => attribute.key === 'service.name')?.value;
  if (value === undefined) return 'missing-service-name';
  if (!('stringValue' in value)) return 'service-name-wrong-type';
  return text(value.stringValue, LONGEST_NAME) || 'empty-service-name';
}

function spanOf(span: Json): Span {
  const { code, message } = object(span['status'], 'status');
  return {
    traceId: id(span['traceId'], 32, 'traceId'),
    spanId: id(span['spanId'], 16, 'spanId'),
    parentSpanId: optionalId(span['parentSpanId'], 16, 'parentSpanId'),
    traceState: text(span['traceState']),
    name: text(span['name']),
    kind: numbered(span['kind'], 'SPAN_KIND_', ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']),
    startTimeUnixNano: time(span['startTimeUnixNano'], 'startTimeUnixNano'),
    endTimeUnixNano: time(span['endTimeUnixNano'], 'endTimeUnixNano'),
    attributes: readAttributes(span['attributes']),
    events: list(span['events'], 'events').map((event) => eventOf(object(event, 'an event'))),
    links: list(span['links'], 'links')
      .map((link) => linkOf(object(link, 'a link')))
      .filter((link) => link.traceId !== ''),
    status: { code: numbered(code, 'STATUS_CODE_', ['UNSET', 'OK', 'ERROR']), message: text(message) },
  };
}

function eventOf({ timeUnixNano, name, attributes }: Json): Event {
  return {
    timeUnixNano: time(timeUnixNano, 'timeUnixNano'),
    name: text(name),
    attributes: readAttributes(attributes),
  };
}

function linkOf({ traceId, spanId, attributes }: Json): Link {
  return {
    traceId: optionalId(traceId, 32, 'traceId of a link'),
    spanId: optionalId(spanId, 16, 'spanId of a link'),
    attributes: readAttributes(attributes),
  };
}

function id(value: unknown, digits: number, what: string): string {
  const found = optionalId(value, digits, what);
  if (found === '') throw new Refused(400, `${what} is missing or zero`);
  return found;
}

/** Ids arrive in either case; all zeros means none. */
function optionalId(value: unknown, digits: number, what: string): string {
  if (value === undefined || value === null || value === '') return '';
  if (typeof value !== 'string' || value.length !== digits || !/^[0-9a-f]+$/i.test(value))
    throw new Refused(400, `${what} is not ${digits} hexadecimal digits`);
  return /^0+$/.test(value) ? '' : value.toLowerCase();
}

/** Nanoseconds arrive as decimal text or as a number. */
function time(value: unknown, what: string): string {
  if (value === undefined || value === null) return '0';
  if ((typeof value !== 'string' && typeof value !== 'number') || !/^\d{1,20}$/.test(String(value)))
    throw new Refused(400, `${what} is not a time in nanoseconds`);
  const nanoseconds = BigInt(value);
  return String(nanoseconds > LAST_TIME ? LAST_TIME : nanoseconds);
}

/** Enumerations arrive as a number or as their name. */
function numbered(value: unknown, prefix: string, names: readonly string[]): number {
  const number = typeof value === 'string' ? names.indexOf(value.replace(prefix, '')) : value;
  return typeof number === 'number' && number in names ? number : 0;
}

/** Start and length of a span, in microseconds; a span that ends before it starts has no length, as in Jaeger. */
export function timesOf(span: Span): { readonly start: number; readonly duration: number } {
  const start = BigInt(span.startTimeUnixNano);
  const length = BigInt(span.endTimeUnixNano) - start;
  return { start: microseconds(start), duration: length > 0n ? microseconds(length) : 0 };
}

export function microseconds(nanoseconds: string | bigint): number {
  return Number(BigInt(nanoseconds) / 1_000n);
}
