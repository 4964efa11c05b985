import type { JSX } from 'preact';
import type { TraceKind } from '../../src/trace/model/verdict.ts';
import type { ReleaseOfTrace } from '../server/release-list.ts';
import { useLive } from './live.ts';
import { hrefOfRelease } from './release-page.tsx';

/** Interval of requests, in milliseconds: the answer seldom changes. */
const EVERY_MS = 10_000;

/** Links from a trace to its release, and to the other end of the same instance. */
export function Belongs({ traceId, kind }: { readonly traceId: string; readonly kind: TraceKind }): JSX.Element | null {
  const { data } = useLive<ReleaseOfTrace>(`/page/traces/${encodeURIComponent(traceId)}/release`, () => EVERY_MS);
  if (data === undefined) return null;
  return (
    <nav class="neighbours" aria-label="belongs to">
      {data.counterpart !== null && (
        <a href={`/trace/${data.counterpart}`}>{kind === 'offline' ? 'its start' : 'its shutdown'}</a>
      )}
      <a href={hrefOfRelease(data)}>its release</a>
    </nav>
  );
}
