import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { aligned, skewWords } from '../../src/trace/model/skew.ts';
import { counted, type JaegerTrace, traceOf } from '../../src/trace/model/trace.ts';
import { assess } from '../../src/trace/model/verdict.ts';
import { Belongs } from './belongs.tsx';
import { useLive } from './live.ts';
import { Problem, Value } from './parts.tsx';
import { csvOf, save } from './save.ts';
import { spanTable } from './span-table.ts';
import { Summary } from './summary.tsx';
import { Traffic } from './traffic.tsx';
import { Waterfall } from './waterfall.tsx';
import { isRunning } from './words.ts';

/** Interval of requests, in milliseconds: while a shutdown runs or has no span yet, until it is whole, and afterwards. */
const SOON_MS = 500;
const UNTIL_WHOLE_MS = 2_000;
const SELDOM_MS = 10_000;

/** URL of a Jaeger with the same traces; empty when the collector knows none. */
const JAEGER = document.querySelector<HTMLMetaElement>('meta[name=jaeger]')?.content ?? '';

/** One shutdown or start, live while it runs. */
export function Shutdown({ traceId }: { readonly traceId: string }): JSX.Element {
  const { data, problem, status } = useLive<JaegerTrace>(`/page/traces/${encodeURIComponent(traceId)}`, nextLook);
  const trace = useMemo(() => (data === undefined ? undefined : traceOf(data)), [data]);
  const { spans, skews } = useMemo(() => aligned(trace?.spans ?? []), [trace]);
  const second = Math.floor(Date.now() / 1_000);
  const verdict = useMemo(() => (trace === undefined ? undefined : assess(trace, second * 1_000)), [trace, second]);
  useEffect(() => {
    if (verdict !== undefined)
      document.title = `${verdict.service || 'trace'} ${verdict.kind} ${verdict.result} – lossless`;
  }, [verdict]);
  return (
    <>
      <header class="top">
        <a href="/">All</a>
        <h1>{verdict?.service || 'Trace'}</h1>
        {verdict !== undefined && verdict.startedAt > 0 && <span class="kind">{verdict.kind}</span>}
        <code class="id">
          <Value text={verdict?.instanceId || traceId} />
        </code>
        {verdict !== undefined && verdict.startedAt > 0 && <Belongs traceId={traceId} kind={verdict.kind} />}
      </header>
      <main>
        <Problem text={status === 404 && data === undefined ? '' : problem} />
        {trace === undefined || verdict === undefined ? (
          <p class="empty">
            {status === 404
              ? `No span of trace ${traceId} has arrived yet. This page shows the trace as soon as the first span arrives.`
              : 'Reading…'}
          </p>
        ) : (
          <>
            {verdict.startedAt > 0 && <Summary verdict={verdict} spans={spans} skew={skewWords(skews)} />}
            <Traffic spans={spans} />
            <Waterfall spans={spans} until={isRunning(verdict, Date.now()) ? Date.now() : undefined} />
            <footer class="foot">
              trace <code>{trace.traceId}</code>, {counted(spans.length, 'span')}{' '}
              <a href={`/api/traces/${trace.traceId}`} download={`${trace.traceId}.json`}>
                JSON
              </a>{' '}
              <button
                type="button"
                class="quiet"
                onClick={() => save(`${trace.traceId}.csv`, 'text/csv', csvOf(spanTable(spans)))}
              >
                CSV
              </button>{' '}
              {JAEGER !== '' && <a href={`${JAEGER}/trace/${trace.traceId}`}>in Jaeger</a>}
            </footer>
          </>
        )}
      </main>
    </>
  );
}

function nextLook(data: JaegerTrace | undefined): number {
  if (data === undefined) return SOON_MS;
  const verdict = assess(traceOf(data), Date.now());
  if (isRunning(verdict, Date.now())) return SOON_MS;
  return verdict.whole || Date.now() - verdict.startedAt > 600_000 ? SELDOM_MS : UNTIL_WHOLE_MS;
}
