import { expect, test } from 'vitest';
import type { WorkName } from '../../src/lifecycle/facts.ts';
import {
  ATTRIBUTES,
  type AttributeName,
  attributesOfSpan,
  IDENTITY,
  SCOPE,
  SPANS,
  spanName,
} from '../../src/trace/model/schema.ts';
import { entered } from '../support/process/announced.ts';
import { useWorld } from '../support/process/world.ts';

const world = useWorld();

const API = new URL('../../dist/src/index.js', import.meta.url);

/** Attributes that Jaeger itself adds to a span. */
const JAEGERS = new Set([
  'otel.scope.name',
  'otel.scope.version',
  'span.kind',
  'otel.status_code',
  'otel.status_description',
  'error',
]);

const TYPES: Readonly<Record<string, readonly string[]>> = {
  string: ['string'],
  int: ['int64'],
  double: ['int64', 'float64'],
  boolean: ['bool'],
  'string[]': ['string'],
  'int[]': ['string'],
  'double[]': ['string'],
};

interface RawSpan {
  readonly operationName: string;
  readonly spanID: string;
  readonly references: readonly { readonly refType: string; readonly spanID: string }[];
  readonly tags: readonly { readonly key: string; readonly type: string; readonly value: unknown }[];
}

async function rawSpans(traceId: string): Promise<readonly RawSpan[]> {
  const answer = await fetch(`${world().collector.queryUrl}/api/traces/${traceId}`);
  const { data } = (await answer.json()) as { data: { spans: RawSpan[] }[] };
  return data[0]?.spans ?? [];
}

test('every span that is exported is as the schema says: name, kind, parent, attributes, types and values', async () => {
  const handler = `import { onOffline } from '${API}'; onOffline('pool', () => {});`;
  const leaving = await world().service('provider', {
    env: {
      NODE_OPTIONS: `${world().env('x')['NODE_OPTIONS']} --import=data:text/javascript,${encodeURIComponent(handler)}`,
      LOSSLESS_HOLD_MS: '0',
      LOSSLESS_WARMUP_MS: '100',
      LOSSLESS_REGISTER_DELAY_MS: '10',
      LOSSLESS_PROBE: '/echo',
      LOSSLESS_PRECONNECT: 'elsewhere',
    },
  });
  await entered(leaving.child, 'serving');
  await world().service('provider');
  const caller = await world().caller('http://provider/echo', 50);
  await world().called(leaving);
  await fetch(`http://127.0.0.1:${leaving.port}/echo`, {
    method: 'POST',
    body: 'x',
    headers: { 'lossless-consumer': '"dead";id="dead-1";gen=1;port=1', connection: 'keep-alive' },
  });
  // A caller without the plugin, whose connection is open.
  await fetch(`http://127.0.0.1:${leaving.port}/slow?ms=1`, { method: 'POST', body: 'x' });
  await world().leave(leaving);
  await world().trace(leaving);
  await caller.stop();
  const [{ traceId: start } = { traceId: '' }] = await world().jaeger.search({
    service: 'provider',
    operation: spanName('warmup'),
  });
  const spans = [...(await rawSpans(world().traceId(leaving))), ...(await rawSpans(start))];
  const byId = new Map(spans.map((span) => [span.spanID, span]));
  const works = new Set<string>();
  for (const span of spans) {
    const work = (Object.keys(SPANS) as WorkName[]).find((name) => spanName(name) === span.operationName);
    expect(work, `${span.operationName} is in the schema`).toBeDefined();
    if (work === undefined) continue;
    works.add(work);
    const { kind, parent } = SPANS[work];
    const tags = new Map(span.tags.map((tag) => [tag.key, tag]));
    expect(tags.get('otel.scope.name')?.value).toBe(SCOPE);
    expect(tags.get('span.kind')?.value).toBe(kind.toLowerCase());
    const above = byId.get(span.references.find((reference) => reference.refType === 'CHILD_OF')?.spanID ?? '');
    const parents: readonly (WorkName | null)[] = parent === 'goaway' ? ['goaway', 'goaway.attempt'] : [parent];
    expect(above === undefined ? [null] : parents.map((name) => name && spanName(name))).toContain(
      above?.operationName ?? null,
    );
    for (const name of IDENTITY) expect(tags.has(name), `${span.operationName} has ${name}`).toBe(true);
    for (const { key, type, value } of span.tags) {
      if (JAEGERS.has(key)) continue;
      expect([...IDENTITY, ...attributesOfSpan(work)], `${span.operationName} may have ${key}`).toContain(key);
      const schema = ATTRIBUTES[key as AttributeName];
      const isList = schema.type.endsWith('[]');
      expect(TYPES[schema.type], `${key} is ${schema.type}`).toContain(type);
      if (schema.values)
        expect(schema.values).toEqual(expect.arrayContaining(isList ? JSON.parse(String(value)) : [value]));
      if (isList) expect(Array.isArray(JSON.parse(String(value)))).toBe(true);
    }
  }
  expect([...works].sort()).toEqual(Object.keys(SPANS).sort());
});

test('a trace says which version ran where, under the names that OpenTelemetry gives them', async () => {
  const service = await world().service('provider', {
    env: {
      LOSSLESS_ZONE: 'eu-1',
      LOSSLESS_METADATA: 'version=2.1.0',
      OTEL_RESOURCE_ATTRIBUTES: 'service.namespace=shop,deployment.environment.name=test,service.instance.id=theirs',
    },
  });
  await world().leave(service);
  await world().trace(service);
  const answer = await fetch(`${world().collector.queryUrl}/api/traces/${world().traceId(service)}`);
  const { data } = (await answer.json()) as {
    data: { processes: Record<string, { tags: { key: string; value: unknown }[] }> }[];
  };
  const [process] = Object.values(data[0]?.processes ?? {});
  expect(Object.fromEntries(process?.tags.map(({ key, value }) => [key, value]) ?? [])).toMatchObject({
    'service.version': '2.1.0',
    'service.namespace': 'shop',
    'service.instance.id': 'theirs',
    'deployment.environment.name': 'test',
    'cloud.availability_zone': 'eu-1',
    'host.name': expect.any(String),
    'process.pid': String(service.child.pid),
    'telemetry.sdk.name': 'lossless-lifecycle',
  });
});
