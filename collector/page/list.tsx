import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { OFFLINE_RESULTS } from '../../src/lifecycle/outcomes.ts';
import { timeOf } from '../../src/trace/model/release.ts';
import { milliseconds } from '../../src/trace/model/trace.ts';
import type { Shutdown, ShutdownList } from '../server/shutdown-list.ts';
import { useLive } from './live.ts';
import { Badge, Problem } from './parts.tsx';
import { PhaseBar } from './phases.tsx';
import { hrefOfRelease } from './release-page.tsx';
import { isRunning, momentOf, outcomeOf } from './words.ts';

/** Time between two looks, in milliseconds. */
const EVERY_MS = 1_000;

/** Kinds to choose from, and in words. */
const KINDS: readonly (readonly [string, string])[] = [
  ['', 'all'],
  ['offline', 'offline'],
  ['online', 'online'],
];

/** Results to choose from, and in words. */
const RESULTS: readonly (readonly [string, string])[] = [
  ['', 'all'],
  ...OFFLINE_RESULTS.map((result) => [result, result] as const),
  ['missing', 'no end'],
];

/** Ends of shutdowns to choose from: seconds ago, and in words. */
const WITHIN = [
  ['', 'any time'],
  ['300', 'last 5 minutes'],
  ['3600', 'last hour'],
  ['86400', 'last 24 hours'],
] as const;

/** What the list is narrowed by, as it stands in the address of the page. */
const FILTERS = ['kind', 'service', 'result', 'within', 'before'] as const;
type Filters = Readonly<Record<(typeof FILTERS)[number], string>>;

/** Shutdowns and starts with their verdicts, the latest first. */
export function List(): JSX.Element {
  const [filters, setFilters] = useState(readFilters);
  useEffect(() => {
    const back = (): void => setFilters(readFilters());
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  const narrow = (change: Partial<Filters>): void => {
    // The first page of what is asked for now, unless a page is asked for.
    const changed = { ...filters, before: '', ...change };
    history.pushState(null, '', `/${queryOf(changed)}`);
    setFilters(changed);
  };
  const { data, problem } = useLive<ShutdownList>(`/page/shutdowns${queryOf(filters)}`, () => EVERY_MS);
  const isNarrowed = FILTERS.some((name) => filters[name] !== '');
  return (
    <>
      <header class="top">
        <h1>Shutdowns and starts</h1>
        <form class="filters" onSubmit={(event) => event.preventDefault()}>
          <Choice name="kind" value={filters.kind} options={KINDS} choose={(kind) => narrow({ kind })} />
          <Choice
            name="service"
            value={filters.service}
            options={[['', 'all'], ...named(data?.services ?? [], filters.service)]}
            choose={(service) => narrow({ service })}
          />
          <Choice name="result" value={filters.result} options={RESULTS} choose={(result) => narrow({ result })} />
          <Choice name="ended" value={filters.within} options={WITHIN} choose={(within) => narrow({ within })} />
        </form>
      </header>
      <main>
        <Problem text={problem} />
        {data === undefined ? (
          <p class="empty">Reading…</p>
        ) : data.shutdowns.length === 0 ? (
          <Empty isNarrowed={isNarrowed} clear={() => narrow({ kind: '', service: '', result: '', within: '' })} />
        ) : (
          <Table shutdowns={data.shutdowns} />
        )}
        <nav class="pages" aria-label="pages">
          {filters.before !== '' && (
            <button type="button" onClick={() => narrow({})}>
              Latest
            </button>
          )}
          {data?.next != null && (
            <button type="button" onClick={() => narrow({ before: String(data.next) })}>
              Earlier
            </button>
          )}
        </nav>
      </main>
    </>
  );
}

function Table({ shutdowns }: Pick<ShutdownList, 'shutdowns'>): JSX.Element {
  return (
    <table class="list">
      <thead>
        <tr>
          <th scope="col">Ended</th>
          <th scope="col">Service</th>
          <th scope="col">Instance</th>
          <th scope="col">Version</th>
          <th scope="col">Kind</th>
          <th scope="col">Result</th>
          <th scope="col" class="number">
            Acked
          </th>
          <th scope="col" class="number">
            Took
          </th>
          <th scope="col">Phases</th>
          <th scope="col">Problems</th>
        </tr>
      </thead>
      <tbody>
        {shutdowns.map((shutdown) => (
          <Row key={shutdown.traceId} shutdown={shutdown} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ shutdown }: { readonly shutdown: Shutdown }): JSX.Element {
  const now = Date.now();
  const {
    kind,
    traceId,
    service,
    instanceId,
    endedAt,
    startedAt,
    acked,
    namespace,
    planned,
    durationMs,
    phases,
    version,
    whole,
  } = shutdown;
  const runs = isRunning(shutdown, now);
  const at = endedAt ?? startedAt;
  return (
    <tr>
      <td class="when">
        <time dateTime={new Date(at).toISOString()} title={new Date(at).toISOString()}>
          {endedAt === null ? `began ${momentOf(at, now)}` : momentOf(at, now)}
        </time>
      </td>
      <td class="service">
        <a href={`/trace/${traceId}`} title={service}>
          {service || 'unknown'}
        </a>
      </td>
      <td class="instance" title={instanceId}>
        {instanceId}
      </td>
      <td class="version">
        <a href={hrefOfRelease({ service, namespace, name: timeOf(shutdown) })} title="its release">
          {version || 'release'}
        </a>
      </td>
      <td class="kind">{kind}</td>
      <td class="result">
        <Badge word={outcomeOf(shutdown, now)} />{' '}
        {!whole && !runs && <Badge word={{ text: 'not whole', tone: 'bad' }} />}
      </td>
      <td class="number acked" data-name="acked">
        {endedAt === null || kind === 'online' ? '–' : `${acked} / ${planned}`}
      </td>
      <td class="number took" data-name="took">
        {endedAt === null ? '–' : milliseconds(durationMs)}
      </td>
      <td class="phases">
        <PhaseBar kind={kind} phases={phases} />
      </td>
      <td class="problems" title={shutdown.problems.join('\n')}>
        {runs ? '' : problemsOf(shutdown)}
      </td>
    </tr>
  );
}

function problemsOf({ problems, moreProblems }: Shutdown): string {
  const [first = ''] = problems;
  const more = problems.length - 1 + moreProblems;
  return more > 0 ? `${first}, and ${more} more` : first;
}

function Empty({ isNarrowed, clear }: { readonly isNarrowed: boolean; readonly clear: () => void }): JSX.Element {
  if (isNarrowed)
    return (
      <p class="empty">
        Nothing matches.{' '}
        <button type="button" onClick={clear}>
          Show all
        </button>
      </p>
    );
  return (
    <div class="empty">
      <p>No shutdown and no start yet. This page shows each one as soon as it begins.</p>
      <p>
        Start a service with <code>NODE_OPTIONS=--import=lossless-lifecycle/register LOSSLESS_ENABLED=true</code> and{' '}
        <code>OTEL_EXPORTER_OTLP_ENDPOINT={location.origin}</code>, then end it with SIGTERM.
      </p>
    </div>
  );
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

/** A service that is asked for stays in the choice when it has no shutdown any more. */
function named(services: readonly string[], chosen: string): readonly (readonly [string, string])[] {
  const all = chosen === '' || services.includes(chosen) ? services : [chosen, ...services];
  return all.map((service) => [service, service]);
}

function readFilters(): Filters {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ''])) as Filters;
}

function queryOf(filters: Filters): string {
  const given = FILTERS.filter((name) => filters[name] !== '').map((name) => [name, filters[name]]);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}
