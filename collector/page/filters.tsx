import type { JSX } from 'preact';
import { OFFLINE_RESULTS } from '../../src/lifecycle/outcomes.ts';

/** Kinds to choose from, with their words. */
const KINDS: readonly (readonly [string, string])[] = [
  ['', 'all'],
  ['offline', 'offline'],
  ['online', 'online'],
];

/** Results to choose from, with their words. */
const RESULTS: readonly (readonly [string, string])[] = [
  ['', 'all'],
  ...OFFLINE_RESULTS.map((result) => [result, result] as const),
  ['missing', 'no end'],
];

/** Ends of shutdowns to choose from: seconds ago, with their words. */
const WITHIN = [
  ['', 'any time'],
  ['300', 'last 5 minutes'],
  ['3600', 'last hour'],
  ['86400', 'last 24 hours'],
] as const;

/** Filters of the list, as in the address of the page. Times are milliseconds since the Unix epoch. */
const FILTERS = ['kind', 'service', 'result', 'within', 'from', 'to', 'search', 'before'] as const;
export type Filters = Readonly<Record<(typeof FILTERS)[number], string>>;

/** No filter is set. */
export const ALL = Object.fromEntries(FILTERS.map((name) => [name, ''])) as Filters;

interface FilterBarProps {
  readonly filters: Filters;
  readonly services: readonly string[];
  readonly narrow: (change: Partial<Filters>) => void;
  /** Called while a reader types. */
  readonly type: (change: Partial<Filters>) => void;
}

/** The filters of the list. */
export function FilterBar({ filters, services, narrow, type }: FilterBarProps): JSX.Element {
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      <label>
        search
        <input
          type="search"
          name="search"
          value={filters.search}
          placeholder="instance, consumer, trace id"
          onInput={(event) => type({ search: event.currentTarget.value })}
        />
      </label>
      <Choice name="kind" value={filters.kind} options={KINDS} choose={(kind) => narrow({ kind })} />
      <Choice
        name="service"
        value={filters.service}
        options={[['', 'all'], ...named(services, filters.service)]}
        choose={(service) => narrow({ service })}
      />
      <Choice name="result" value={filters.result} options={RESULTS} choose={(result) => narrow({ result })} />
      <Choice name="ended" value={filters.within} options={WITHIN} choose={(within) => narrow({ within })} />
      <span class="period">
        <Moment name="from" value={filters.from} choose={(from) => narrow({ from })} />
        <Moment name="to" value={filters.to} choose={(to) => narrow({ to })} />
      </span>
    </form>
  );
}

interface MomentProps {
  readonly name: string;
  /** Milliseconds since the Unix epoch, or empty. */
  readonly value: string;
  readonly choose: (value: string) => void;
}

/** A moment in the reader's time zone; the address holds it in one form for all readers. */
function Moment({ name, value, choose }: MomentProps): JSX.Element {
  return (
    <label>
      {name}
      <input
        type="datetime-local"
        name={name}
        step={1}
        value={localOf(value)}
        onChange={(event) => {
          const ms = new Date(event.currentTarget.value).getTime();
          choose(Number.isNaN(ms) ? '' : String(ms));
        }}
      />
    </label>
  );
}

/** The text of a moment for its input; empty for any other text. */
function localOf(value: string): string {
  const at = new Date(Number(value));
  if (value === '' || Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

interface ChoiceProps {
  readonly name: string;
  readonly value: string;
  /** Values and their words. */
  readonly options: readonly (readonly [string, string])[];
  readonly choose: (value: string) => void;
}

function Choice({ name, value, options, choose }: ChoiceProps): JSX.Element {
  return (
    <label>
      {name}
      <select name={name} value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {options.map(([each, words]) => (
          <option key={each} value={each} selected={each === value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The chosen service stays in the list when it has no shutdown any more. */
function named(services: readonly string[], chosen: string): readonly (readonly [string, string])[] {
  const all = chosen === '' || services.includes(chosen) ? services : [chosen, ...services];
  return all.map((service) => [service, service]);
}

export function readFilters(): Filters {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ''])) as Filters;
}

export function queryOf(filters: Filters): string {
  const given = FILTERS.filter((name) => filters[name] !== '').map((name) => [name, filters[name]]);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}
