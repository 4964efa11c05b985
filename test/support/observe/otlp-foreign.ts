import { hex } from './otlp.ts';

type Value = Readonly<Record<string, unknown>>;

/** Attributes in OTLP/JSON. */
export function attributes(values: Readonly<Record<string, Value>>): object[] {
  return Object.entries(values).map(([key, value]) => ({ key, value }));
}

/** Every kind of value in OTLP. */
const VALUES = {
  text: { stringValue: '<script>alert("x")</script> \u0000 \u001b[31m ü 😀' },
  empty: {},
  yes: { boolValue: true },
  no: { boolValue: false },
  small: { intValue: '5' },
  numeric: { intValue: 7 },
  large: { intValue: '9223372036854775807' },
  fraction: { doubleValue: 30.5 },
  round: { doubleValue: 3 },
  list: {
    arrayValue: { values: [{ stringValue: 'a' }, { intValue: '1' }, { doubleValue: 1.5 }, { boolValue: true }] },
  },
  map: { kvlistValue: { values: [{ key: 'k', value: { arrayValue: { values: [{ stringValue: 'v' }] } } }] } },
  bytes: { bytesValue: 'aGk=' },
};

/** A trace of a foreign program: every kind of value, event, link and status, a process without a name, an id of 64 bits. */
export function foreignBody(start: number): { readonly traceId: string; readonly body: string } {
  const traceId = `${'0'.repeat(16)}${hex(8)}`;
  const time = (ms: number): string => String(BigInt(Math.round((start + ms) * 1_000)) * 1_000n);
  const [root, child] = [hex(8), hex(8)];
  const span = (spanId: string, more: object): object => ({
    traceId,
    spanId,
    name: 'GET /items',
    kind: 2,
    startTimeUnixNano: time(0),
    endTimeUnixNano: time(20.5),
    ...more,
  });
  const spans = [
    span(root, {
      attributes: attributes(VALUES),
      traceState: 'vendor=1',
      status: { code: 2, message: 'it failed' },
      events: [
        {
          timeUnixNano: time(1),
          name: 'exception',
          attributes: attributes({ 'exception.type': { stringValue: 'E' } }),
        },
        { timeUnixNano: time(2), attributes: attributes({ event: { stringValue: 'own' } }) },
      ],
      links: [
        { traceId: hex(16), spanId: hex(8) },
        {
          traceId: hex(16),
          spanId: hex(8),
          attributes: attributes({ 'opentracing.ref_type': { stringValue: 'child_of' } }),
        },
      ],
    }),
    span(child, {
      parentSpanId: root.toUpperCase(),
      kind: 'SPAN_KIND_CLIENT',
      status: { code: 'STATUS_CODE_OK' },
      links: [{ traceId, spanId: root }],
    }),
    span(hex(8), { parentSpanId: child, name: '', kind: 0, startTimeUnixNano: time(3), endTimeUnixNano: time(4) }),
  ];
  const body = JSON.stringify({
    resourceSpans: [
      {
        resource: {
          attributes: attributes({ 'service.name': { stringValue: 'foreign' }, 'process.pid': { intValue: '12' } }),
        },
        scopeSpans: [
          {
            scope: {
              name: 'lib',
              version: '2.0',
              attributes: attributes({ 'scope.flavour': { stringValue: 'mint' } }),
            },
            spans,
          },
        ],
      },
      { scopeSpans: [{ spans: [span(hex(8), { kind: 1 })] }] },
      {
        resource: { attributes: attributes({ 'service.name': { stringValue: '' } }) },
        scopeSpans: [{ spans: [span(hex(8), { kind: 4 })] }],
      },
      {
        resource: { attributes: attributes({ 'service.name': { intValue: '1' } }) },
        scopeSpans: [{ spans: [span(hex(8), { kind: 5 })] }],
      },
    ],
  });
  return { traceId, body };
}
