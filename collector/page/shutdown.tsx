import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { ATTR, spanName } from '../../src/trace/schema.ts';
import { type JaegerTrace, milliseconds, type Span, traceOf } from '../../src/trace/trace.ts';
import { assess, type Verdict } from '../../src/trace/verdict.ts';
import { useLive } from './live.ts';
import { Badge, Fact, Problem, Value } from './parts.tsx';
import { Traffic } from './traffic.tsx';
import { Waterfall } from './waterfall.tsx';
import { counted, isLeaving, momentOf, outcomeOf, wordOf } from './words.ts';

/** Time between two looks, in milliseconds: while a shutdown runs or its first span is awaited, until it is whole, and then. */
const SOON_MS = 500;
const UNTIL_WHOLE_MS = 2_000;
const SELDOM_MS = 10_000;

/** Problems that are told at first. */
const TOLD = 4;

/** One shutdown, live while it runs. */
export function Shutdown({ traceId }: { readonly traceId: string }): JSX.Element {
  const { data, problem, status } = useLive<JaegerTrace>(`/page/traces/${encodeURIComponent(traceId)}`, nextLook);
  const trace = useMemo(() => (data === undefined ? undefined : traceOf(data)), [data]);
  const verdict = useMemo(() => (trace === undefined ? undefined : assess(trace)), [trace]);
  useEffect(() => {
    if (verdict !== undefined) document.title = `${verdict.service || 'trace'} ${verdict.result} – lossless`;
  }, [verdict]);
  return (
    <>
      <header class="top">
        <a href="/">Shutdowns</a>
        <h1>{verdict === undefined ? 'Trace' : verdict.service || 'Trace'}</h1>
        <code class="id">
          <Value text={verdict?.instanceId || traceId} />
        </code>
      </header>
      <main>
        <Problem text={status === 404 && data === undefined ? '' : problem} />
        {trace === undefined || verdict === undefined ? (
          <p class="empty">
            {status === 404
              ? `No span of trace ${traceId} yet. It is shown here as soon as the first arrives.`
              : 'Reading…'}
          </p>
        ) : (
          <>
            {verdict.startedAt > 0 && <Summary verdict={verdict} spans={trace.spans} />}
            <Traffic spans={trace.spans} />
            <Waterfall spans={trace.spans} />
            <footer class="foot">
              trace <code>{trace.traceId}</code>, {counted(trace.spans.length, 'span')}
            </footer>
          </>
        )}
      </main>
    </>
  );
}

function nextLook(data: JaegerTrace | undefined): number {
  if (data === undefined) return SOON_MS;
  const verdict = assess(traceOf(data));
  if (isLeaving(verdict, Date.now())) return SOON_MS;
  return verdict.whole || Date.now() - verdict.startedAt > 600_000 ? SELDOM_MS : UNTIL_WHOLE_MS;
}

function Summary({ verdict, spans }: { readonly verdict: Verdict; readonly spans: readonly Span[] }): JSX.Element {
  const now = Date.now();
  const { startedAt, durationMs, planned, acked, afterAck, result, whole } = verdict;
  const tagsOf = (work: 'offline' | 'offline.started' | 'deregister' | 'drain'): Span['tags'] =>
    spans.find((span) => span.name === spanName(work))?.tags ?? {};
  const leaves = isLeaving(verdict, now);
  const told = spans.filter((span) => span.name === spanName('goaway'));
  const deregistered = tagsOf('deregister')[ATTR.deregisterResult];
  const drained = tagsOf('drain')[ATTR.drainResult];
  const { [ATTR.served]: served, [ATTR.unmanaged]: unmanaged } = tagsOf('offline');
  const hold = Number(tagsOf('drain')[ATTR.hold] ?? 0);
  return (
    <section class="summary" aria-label="verdict">
      <p class="verdict">
        <Badge word={outcomeOf(verdict, now)} />
        <span class="sentence">{sentenceOf(verdict, told.length)}</span>
        {!leaves && !whole && <Badge word={{ text: 'not whole', tone: 'bad' }} />}
      </p>
      <dl class="facts">
        <Fact name="began">
          <time dateTime={new Date(startedAt).toISOString()} title={new Date(startedAt).toISOString()}>
            {momentOf(startedAt, now)}
          </time>
        </Fact>
        <Fact name="trigger">
          <Value text={String(tagsOf('offline.started')[ATTR.trigger] ?? '–')} />
        </Fact>
        <Fact name="took">{result === 'missing' ? '–' : milliseconds(durationMs)}</Fact>
        <Fact name="acked">{result === 'missing' ? `${told.length} told` : `${acked} of ${planned}`}</Fact>
        <Fact name="registry">{deregistered === undefined ? '–' : <Badge word={wordOf(String(deregistered))} />}</Fact>
        <Fact name="drain">{drained === undefined ? '–' : <Badge word={wordOf(String(drained))} />}</Fact>
        {hold > 0 && (
          <Fact name="held">
            {milliseconds(hold * 1_000)} <Value text={String(tagsOf('drain')[ATTR.holdReason] ?? '')} />
          </Fact>
        )}
        {served !== undefined && <Fact name="served while leaving">{counted(Number(served), 'request')}</Fact>}
        {Number(unmanaged ?? 0) > 0 && <Fact name="of unmanaged callers">{counted(Number(unmanaged), 'request')}</Fact>}
        <Fact name="after ack">{result === 'missing' ? '–' : counted(afterAck, 'request')}</Fact>
      </dl>
      {!leaves && <Problems problems={verdict.problems} />}
    </section>
  );
}

function sentenceOf({ planned, acked, result, durationMs }: Verdict, told: number): string {
  if (result === 'missing') return `${counted(told, 'consumer')} told so far`;
  const who = planned === 0 ? 'Nobody had to be told' : `${acked} of ${counted(planned, 'consumer')} acked`;
  return result === 'cancelled'
    ? `${who}; undone after ${milliseconds(durationMs)}`
    : `${who}; gone within ${milliseconds(durationMs)}`;
}

function Problems({ problems }: { readonly problems: readonly string[] }): JSX.Element | null {
  const [isOpen, open] = useState(false);
  if (problems.length === 0) return null;
  return (
    <ul class="problems-told">
      {problems.slice(0, isOpen ? undefined : TOLD).map((problem) => (
        <li key={problem}>
          <Value text={problem} />
        </li>
      ))}
      {problems.length > TOLD && (
        <li>
          <button type="button" class="quiet" onClick={() => open(!isOpen)}>
            {isOpen ? 'fewer' : `all ${problems.length} problems`}
          </button>
        </li>
      )}
    </ul>
  );
}
