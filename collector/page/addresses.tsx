import type { JSX } from 'preact';
import { textsIn } from '../../src/json.ts';
import { ATTR } from '../../src/trace/model/schema.ts';
import type { Span } from '../../src/trace/model/trace.ts';

/** What a consumer could pick before and after its refresh. */
export interface Addresses {
  /** The instance that leaves. */
  readonly leaving: string;
  readonly before: readonly string[];
  readonly countBefore: number;
  readonly countAfter: number;
  readonly after: readonly string[];
}

export function addressesOf({ tags }: Span): Addresses {
  const [before, after] = [textsIn(tags[ATTR.addressesBefore]), textsIn(tags[ATTR.addresses])];
  const countAfter = Number(tags[ATTR.addressCount] ?? after.length);
  return {
    leaving: String(tags[ATTR.providerAddress] ?? ''),
    before,
    countBefore: Number(tags[ATTR.addressCountBefore] ?? before.length),
    countAfter,
    after,
  };
}

/** Both lists beside each other. */
export function AddressLists({ refresh }: { readonly refresh: Span }): JSX.Element {
  const { leaving, before, countBefore, after, countAfter } = addressesOf(refresh);
  return (
    <div class="addresses">
      <List title="before" count={countBefore} addresses={before} marked={[leaving]} mark="leaves" />
      <List
        title="after"
        count={countAfter}
        addresses={after}
        marked={after.filter((address) => !before.includes(address))}
        mark="new"
      />
    </div>
  );
}

interface ListProps {
  readonly title: string;
  readonly count: number;
  readonly addresses: readonly string[];
  /** Addresses with a word beside them. */
  readonly marked: readonly string[];
  readonly mark: 'leaves' | 'new';
}

function List({ title, count, addresses, marked, mark }: ListProps): JSX.Element {
  return (
    <section aria-label={`addresses ${title}`}>
      <h4>
        {title} <span class="count">{count}</span>
      </h4>
      <ul>
        {addresses.map((address) => (
          <li key={address} class={marked.includes(address) ? mark : undefined}>
            {address}
            {marked.includes(address) && <small> {mark}</small>}
          </li>
        ))}
        {count > addresses.length && <li class="untold">and {count - addresses.length} not in the trace</li>}
        {count === 0 && <li class="untold">nobody</li>}
      </ul>
    </section>
  );
}
