import type { SpanIds } from '../lifecycle/records.ts';

/** Version 00 of W3C Trace Context; later versions may append fields after a dash (section 3.2.2.4). */
const FORMAT = /^(?<version>[0-9a-f]{2})-(?<traceId>[0-9a-f]{32})-(?<spanId>[0-9a-f]{16})-[0-9a-f]{2}(?<rest>-.*)?$/;

/** The `traceparent` header for `ids`, sampled. */
export function encodeTraceparent({ traceId, spanId }: SpanIds): string {
  return `00-${traceId}-${spanId}-01`;
}

/** Reads a `traceparent` header; undefined when it is absent or not valid. */
export function decodeTraceparent(value: string | undefined): SpanIds | undefined {
  if (value === undefined || value.length > 256) return undefined;
  const { version, traceId = '', spanId = '', rest } = FORMAT.exec(value.trim())?.groups ?? {};
  if (version === undefined || version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  return /^0+$/.test(traceId) || /^0+$/.test(spanId) ? undefined : { traceId, spanId };
}
