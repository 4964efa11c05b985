import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { timeOf } from '../../src/trace/model/release.ts';
import { counted, milliseconds } from '../../src/trace/model/trace.ts';
import type { Shutdown, ShutdownList } from '../server/shutdown-list.ts';
import { ExportList } from './export-list.tsx';
import { ALL, FilterBar, type Filters, queryOf, readFilters } from './filters.tsx';
import { useLive } from './live.ts';
import { Badge, Problem } from './parts.tsx';
import { PhaseBar } from './phases.tsx';
import { hrefOfRelease } from './release-page.tsx';
import { isRunning, momentOf, outcomeOf } from './words.ts';

/** Interval of requests, in milliseconds. */
const EVERY_MS = 1_000;

/** Shutdowns and starts with their verdicts, the latest first. */
export function List(): JSX.Element {
  const [filters, setFilters] = useState(readFilters);
  useEffect(() => {
    const back = (): void => setFilters(readFilters());
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  /** Changes filters, and goes to the first page unless `change` names one. */
  const narrow = (change: Partial<Filters>, isTyped = false): void => {
    const changed = { ...filters, before: '', ...change };
    // A typed letter makes no entry of its own in the browser's history.
    history[isTyped ? 'replaceState' : 'pushState'](null, '', `/${queryOf(changed)}`);
    setFilters(changed);
  };
  const { data, problem } = useLive<ShutdownList>(`/page/shutdowns${queryOf(filters)}`, () => EVERY_MS);
  return (
    <>
      <header class="top">
        <h1>Shutdowns and starts</h1>
        <FilterBar
          filters={filters}
          services={data?.services ?? []}
          narrow={narrow}
          type={(change) => narrow(change, true)}
        />
      </header>
      <main>
        <Problem text={problem} />
        {data === undefined ? (
          <p class="empty">Reading…</p>
        ) : data.shutdowns.length === 0 ? (
          <Empty isNarrowed={queryOf(filters) !== ''} clear={() => narrow(ALL)} />
        ) : (
          <>
            <p class="counts">
              {wordsOf(data.counts)} <ExportList filters={filters} />
            </p>
            <Table shutdowns={data.shutdowns} />
          </>
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

/** The totals under the filters, with the share of lossless shutdowns. */
function wordsOf({ lossless, shutdowns, starts }: ShutdownList['counts']): string {
  // Rounded down, so that one lossy shutdown among very many still shows.
  const share = Math.floor((lossless / shutdowns) * 1_000) / 10;
  return [
    ...(shutdowns === 0 ? [] : [`${counted(shutdowns, 'shutdown')}, ${share} % lossless`]),
    ...(starts === 0 ? [] : [counted(starts, 'start')]),
  ].join('; ');
}

function Table({ shutdowns }: Pick<ShutdownList, 'shutdowns'>): JSX.Element {
  return (
    <table class="list">
      <thead>
        <tr>
          <th scope="col">Began</th>
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
          <th scope="col">Why</th>
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
  return (
    <tr>
      <td class="when">
        <time dateTime={new Date(startedAt).toISOString()} title={new Date(startedAt).toISOString()}>
          {momentOf(startedAt, now)}
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
        <a href={hrefOfRelease({ service, namespace, name: timeOf(shutdown) })} title={`release ${version}`}>
          {version || 'release'}
        </a>
      </td>
      <td class="kind">{kind}</td>
      <td class="result">
        <Badge word={outcomeOf(shutdown, now)} />{' '}
        {!whole && !runs && <Badge word={{ text: 'not whole', tone: 'bad' }} />}
      </td>
      <td class="number acked" data-name="acked">
        {kind === 'online' ? '–' : `${acked} / ${planned}`}
      </td>
      <td class="number took" data-name="took">
        {endedAt !== null ? milliseconds(durationMs) : runs ? milliseconds(Math.max(0, now - startedAt)) : '–'}
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
