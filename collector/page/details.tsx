import type { JSX } from 'preact';
import { ATTR, ATTRIBUTES, IDENTITY } from '../../src/trace/model/schema.ts';
import { milliseconds, type Span } from '../../src/trace/model/trace.ts';
import { AddressLists } from './addresses.tsx';
import { Value } from './parts.tsx';

/** Attributes that are shown in another way, or repeat the span. */
const SHOWN_ELSEWHERE: readonly string[] = [
  ATTR.addresses,
  ATTR.addressesBefore,
  'otel.scope.name',
  'error',
  'otel.status_description',
];

/** Everything about a span, and for a GoAway what its consumer did. */
export function Details({ span, refresh }: { readonly span: Span; readonly refresh: Span | undefined }): JSX.Element {
  return (
    <div class="details">
      {span.isError && (
        <p class="message">
          <Value text={span.message || 'failed'} />
        </p>
      )}
      {refresh !== undefined && <AddressLists refresh={refresh} />}
      <Attributes span={span} />
      {refresh !== undefined && refresh !== span && <Attributes span={refresh} />}
    </div>
  );
}

function Attributes({ span }: { readonly span: Span }): JSX.Element {
  const given = Object.entries(span.tags).filter(([name]) => !SHOWN_ELSEWHERE.includes(name));
  const own = given.filter(([name]) => !IDENTITY.some((identity) => identity === name));
  const identity = given.filter(([name]) => IDENTITY.some((each) => each === name));
  return (
    <section aria-label={`attributes of ${span.name}`}>
      <h4>
        {span.name} <small>in {span.service}</small>
      </h4>
      <dl class="attributes">
        <div>
          <dt>start</dt>
          <dd>
            <span class="value">
              {new Date(span.start).toISOString()}, {milliseconds(span.durationMs)}
            </span>
          </dd>
        </div>
        {[...own, ...identity].map(([name, value]) => (
          <div key={name}>
            <dt title={docOf(name)}>{name}</dt>
            <dd>
              <Value text={String(value)} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function docOf(name: string): string | undefined {
  return Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name as keyof typeof ATTRIBUTES].doc : undefined;
}
