import type { JSX } from 'preact';
import { judge } from '../../src/trace/model/judge.ts';
import type { ShownRelease } from '../../src/trace/model/shown.ts';
import { type Live, useLive } from './live.ts';
import { Problem } from './parts.tsx';
import { ReleaseView } from './release.tsx';
import { scaleOf } from './release-picture.tsx';

/** Interval of requests, in milliseconds: while traces are still read, while the release goes on, and afterwards. */
const AT_ONCE_MS = 50;
const SOON_MS = 1_000;
const SELDOM_MS = 5_000;

/** The release of a page, and a second one beside it. */
export interface ReleaseAddress {
  readonly service: string;
  readonly name: string;
  /** Name of the second release; empty for none. */
  readonly beside: string;
  readonly namespace: string | null;
}

/** The address of the page of a release. */
export function hrefOfRelease({ service, name, namespace, beside }: Partial<ReleaseAddress>): string {
  const query = new URLSearchParams({ ...(namespace && { namespace }), ...(beside && { beside }) });
  const path = ['/release', service ?? '', ...(name ? [name] : [])].map((part, n) =>
    n === 0 ? part : encodeURIComponent(part),
  );
  return `${path.join('/')}${query.size > 0 ? `?${query}` : ''}`;
}

/** A release, live while it goes on, alone or compared with another one. */
export function ReleasePage(address: ReleaseAddress): JSX.Element {
  return address.beside === '' ? <One {...address} /> : <Two {...address} />;
}

function One(address: ReleaseAddress): JSX.Element {
  const { service, name, namespace } = address;
  const own = useRelease(service, name, namespace);
  return <Frame address={address} releases={[own]} />;
}

function Two(address: ReleaseAddress): JSX.Element {
  const { service, name, beside, namespace } = address;
  const other = useRelease(service, beside, namespace);
  const own = useRelease(service, name, namespace);
  return <Frame address={address} releases={[other, own]} />;
}

interface FrameProps {
  readonly address: ReleaseAddress;
  /** The release that the address names is the last. */
  readonly releases: readonly Live<ShownRelease>[];
}

/** The header of the page, and all releases on one scale. */
function Frame({ address, releases }: FrameProps): JSX.Element {
  const { service, name, beside, namespace } = address;
  const own = releases.at(-1)?.data;
  const names = beside === '' ? [name] : [beside, name];
  const now = Date.now();
  const scales = releases.flatMap(({ data }) => (data === undefined ? [] : [scaleOf(data, now)]));
  const scale = {
    lengthMs: Math.max(...scales.map(({ lengthMs }) => lengthMs)),
    peak: Math.max(...scales.map(({ peak }) => peak)),
  };
  const { before = null, after = null } = own ?? {};
  return (
    <>
      <header class="top">
        <a href="/">All</a>
        <a href={hrefOfRelease({ service, namespace })}>{service}</a>
        <h1>{beside === '' ? `Release ${titleOf(own, name)}` : 'Two releases'}</h1>
        {namespace && <span class="kind">{namespace}</span>}
        <nav class="neighbours" aria-label="releases">
          {beside !== '' ? (
            <a href={hrefOfRelease({ ...address, beside: '' })}>only this one</a>
          ) : (
            <>
              {before !== null && <a href={hrefOfRelease({ ...address, name: before })}>← before</a>}
              {after !== null && <a href={hrefOfRelease({ ...address, name: after })}>after →</a>}
              {before !== null && <a href={hrefOfRelease({ ...address, beside: before })}>beside the one before</a>}
            </>
          )}
        </nav>
      </header>
      <main class={beside === '' ? '' : 'two'}>
        {releases.map(({ data, problem, status }, index) => (
          <article key={index === 0 ? 'first' : 'second'} aria-label={`release ${titleOf(data, names[index])}`}>
            <Problem text={status === 404 && data === undefined ? '' : problem} />
            {beside !== '' && data !== undefined && <h2>{titleOf(data, names[index])}</h2>}
            {data === undefined ? (
              <p class="empty">{status === 404 ? `No release ${names[index]} of ${service} is known.` : 'Reading…'}</p>
            ) : (
              <ReleaseView shown={data} now={now} scale={scale} hrefOf={(traceId) => `/trace/${traceId}`} />
            )}
          </article>
        ))}
      </main>
    </>
  );
}

function useRelease(service: string, name: string, namespace: string | null): Live<ShownRelease> {
  const query = namespace ? `?${new URLSearchParams({ namespace })}` : '';
  const url = `/page/releases/${encodeURIComponent(service)}/${encodeURIComponent(name)}${query}`;
  return useLive<ShownRelease>(url, (data) => {
    if (data !== undefined && data.unread > 0) return AT_ONCE_MS;
    return data === undefined || goesOn(data) ? SOON_MS : SELDOM_MS;
  });
}

/** Whether an instance still leaves or comes, or spans may still arrive. */
function goesOn({ release: { starts, stops } }: ShownRelease): boolean {
  const isOpen = [...starts, ...stops].some(({ result }) => result === 'missing');
  return isOpen || judge(stops, Date.now(), 0).verdict === 'unknown';
}

function titleOf(shown: ShownRelease | undefined, name = ''): string {
  return shown?.release.version || name;
}
