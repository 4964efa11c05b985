import type { JSX } from 'preact';
import { ATTR } from '../../src/trace/schema.ts';
import type { Span } from '../../src/trace/trace.ts';

/** What a consumer could pick before and after its refresh. */
export interface Addresses {
  /** The instance that leaves. */
  readonly leaving: string;
  readonly countBefore: number;
  readonly countAfter: number;
  readonly after: readonly string[];
}

export function addressesOf({ tags }: Span): Addresses {
  const after = listOf(tags[ATTR.addresses]);
  const countAfter = Number(tags[ATTR.addressCount] ?? after.length);
  return {
    leaving: String(tags[ATTR.providerAddress] ?? ''),
    countBefore: Number(tags[ATTR.addressCountBefore] ?? countAfter),
    countAfter,
    after,
  };
}

/**
 * Both lists beside each other. The trace holds the list after and how many there were before: when exactly the one that
 * leaves is missing, the rest is taken to have stayed.
 */
export function AddressLists({ refresh }: { readonly refresh: Span }): JSX.Element {
  const { leaving, countBefore, countAfter, after } = addressesOf(refresh);
  const left = leaving !== '' && !after.includes(leaving) && countBefore > 0 ? leaving : undefined;
  const stayed = countBefore === after.length + (left === undefined ? 0 : 1) ? after : [];
  return (
    <div class="addresses">
      <List title="before" count={countBefore} left={left} stayed={stayed} />
      <List title="after" count={countAfter} left={undefined} stayed={after} />
    </div>
  );
}

interface ListProps {
  readonly title: string;
  readonly count: number;
  readonly left: string | undefined;
  readonly stayed: readonly string[];
}

function List({ title, count, left, stayed }: ListProps): JSX.Element {
  const untold = count - stayed.length - (left === undefined ? 0 : 1);
  return (
    <section aria-label={`addresses ${title}`}>
      <h4>
        {title} <span class="count">{count}</span>
      </h4>
      <ul>
        {left !== undefined && (
          <li class="left">
            <s>{left}</s> <small>leaves</small>
          </li>
        )}
        {stayed.map((address) => (
          <li key={address}>{address}</li>
        ))}
        {untold > 0 && <li class="untold">and {untold} not in the trace</li>}
        {count === 0 && <li class="untold">nobody</li>}
      </ul>
    </section>
  );
}

/** Jaeger shows a list as JSON. */
function listOf(value: string | number | boolean | undefined): readonly string[] {
  try {
    const list: unknown = JSON.parse(String(value ?? '[]'));
    return Array.isArray(list) ? list.map(String) : [];
  } catch {
    return [];
  }
}
