import type { JSX } from 'preact';
import type { ListedRelease, ReleaseList } from '../server/release-list.ts';
import { useLive } from './live.ts';
import { Badge, Problem } from './parts.tsx';
import { hrefOfRelease } from './release-page.tsx';
import { momentOf, outcomeOfRelease } from './words.ts';

/** Interval of requests, in milliseconds: while traces are still read, and afterwards. */
const AT_ONCE_MS = 50;
const EVERY_MS = 2_000;

/** The latest releases of a service, the last one first. */
export function Releases({
  service,
  namespace,
}: {
  readonly service: string;
  readonly namespace: string | null;
}): JSX.Element {
  const query = namespace ? `?${new URLSearchParams({ namespace })}` : '';
  const { data, problem } = useLive<ReleaseList>(`/page/releases/${encodeURIComponent(service)}${query}`, (list) =>
    list?.releases.some(({ unread }) => unread > 0) ? AT_ONCE_MS : EVERY_MS,
  );
  return (
    <>
      <header class="top">
        <a href="/">All</a>
        <h1>Releases of {service}</h1>
        {namespace && <span class="kind">{namespace}</span>}
      </header>
      <main>
        <Problem text={problem} />
        {data === undefined ? (
          <p class="empty">Reading…</p>
        ) : data.releases.length === 0 ? (
          <p class="empty">No start and no shutdown of {service} is known.</p>
        ) : (
          <ul class="releases">
            {data.releases.map((release) => (
              <Row key={`${release.namespace}/${release.name}`} release={release} />
            ))}
          </ul>
        )}
      </main>
    </>
  );
}

function Row({ release }: { readonly release: ListedRelease }): JSX.Element {
  const { name, namespace, service, startedAt, summary, version } = release;
  const now = Date.now();
  return (
    <li>
      <span>
        <a href={hrefOfRelease({ service, name, namespace })}>{version || momentOf(startedAt, now)}</a>{' '}
        <span class="kind">{namespace}</span>
      </span>
      <time dateTime={new Date(startedAt).toISOString()}>{momentOf(startedAt, now)}</time>
      <Badge word={outcomeOfRelease(release.judgement, summary, release.unread)} />
      <span class="sentence">{summary.sentence}</span>
    </li>
  );
}
