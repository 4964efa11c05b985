import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { KILLED } from '../../src/lifecycle/outcomes.ts';
import { ATTR, type SPANS, spanName } from '../../src/trace/model/schema.ts';
import { counted, type JaegerTrace, milliseconds, type Span, traceOf } from '../../src/trace/model/trace.ts';
import { assess, type Verdict } from '../../src/trace/model/verdict.ts';
import { Belongs } from './belongs.tsx';
import { useLive } from './live.ts';
import { Badge, Fact, Problem, Value } from './parts.tsx';
import { Traffic } from './traffic.tsx';
import { Waterfall } from './waterfall.tsx';
import { isRunning, momentOf, outcomeOf, wordOf } from './words.ts';

/** Time between two looks, in milliseconds: while a shutdown runs or its first span is awaited, until it is whole, and then. */
const SOON_MS = 500;
const UNTIL_WHOLE_MS = 2_000;
const SELDOM_MS = 10_000;

/** Problems that are told at first. */
const TOLD = 4;

/** One shutdown or start, live while it runs. */
export function Shutdown({ traceId }: { readonly traceId: string }): JSX.Element {
  const { data, problem, status } = useLive<JaegerTrace>(`/page/traces/${encodeURIComponent(traceId)}`, nextLook);
  const trace = useMemo(() => (data === undefined ? undefined : traceOf(data)), [data]);
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
              ? `No span of trace ${traceId} yet. It is shown here as soon as the first arrives.`
              : 'Reading…'}
          </p>
        ) : (
          <>
            {verdict.startedAt > 0 && <Summary verdict={verdict} spans={trace.spans} />}
            <Traffic spans={trace.spans} />
            <Waterfall spans={trace.spans} />
            <footer class="foot">
              trace <code>{trace.traceId}</code>, {counted(trace.spans.length, 'span')},{' '}
              <a href={`/api/traces/${trace.traceId}`}>as JSON</a>
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

interface SummaryProps {
  readonly verdict: Verdict;
  readonly spans: readonly Span[];
}

function Summary({ verdict, spans }: SummaryProps): JSX.Element {
  const now = Date.now();
  const { kind, startedAt, durationMs, result, whole } = verdict;
  const runs = isRunning(verdict, now);
  const told = spans.filter((span) => span.name === spanName('goaway')).length;
  return (
    <section class="summary" aria-label="verdict">
      <p class="verdict">
        <Badge word={outcomeOf(verdict, now)} />
        <span class="sentence">{kind === 'offline' ? sentenceOf(verdict, told) : startOf(verdict, spans)}</span>
        {!runs && !whole && <Badge word={{ text: 'not whole', tone: 'bad' }} />}
      </p>
      <dl class="facts">
        <Fact name="began">
          <time dateTime={new Date(startedAt).toISOString()} title={new Date(startedAt).toISOString()}>
            {momentOf(startedAt, now)}
          </time>
        </Fact>
        <Fact name="took">{result === 'missing' ? '–' : milliseconds(durationMs)}</Fact>
        {kind === 'offline' ? (
          <OfflineFacts verdict={verdict} spans={spans} />
        ) : (
          <Fact name="registry">
            <Result result={tagsOf(spans, 'register.read_back')[ATTR.registerResult]} />
          </Fact>
        )}
      </dl>
      {!runs && <Problems problems={verdict.problems} />}
    </section>
  );
}

function OfflineFacts({ verdict, spans }: SummaryProps): JSX.Element {
  const { planned, acked, afterAck, result } = verdict;
  const { [ATTR.served]: served, [ATTR.unmanaged]: unmanaged } = tagsOf(spans, 'offline');
  const drain = tagsOf(spans, 'drain');
  const hold = Number(drain[ATTR.hold] ?? 0);
  return (
    <>
      <Fact name="trigger">
        <Value text={String(tagsOf(spans, 'offline.started')[ATTR.trigger] ?? '–')} />
      </Fact>
      <Fact name="acked">{result === 'missing' ? '–' : `${acked} of ${planned}`}</Fact>
      <Fact name="registry">
        <Result result={tagsOf(spans, 'deregister')[ATTR.deregisterResult]} />
      </Fact>
      <Fact name="drain">
        <Result result={drain[ATTR.drainResult]} />
      </Fact>
      {hold > 0 && (
        <Fact name="held">
          {milliseconds(hold * 1_000)} <Value text={String(drain[ATTR.holdReason] ?? '')} />
        </Fact>
      )}
      <Fact name="after ack">{result === 'missing' || result === KILLED ? '–' : counted(afterAck, 'request')}</Fact>
      {served !== undefined && <Fact name="served while leaving">{counted(Number(served), 'request')}</Fact>}
      {Number(unmanaged ?? 0) > 0 && <Fact name="of unmanaged callers">{counted(Number(unmanaged), 'request')}</Fact>}
    </>
  );
}

function Result({ result }: { readonly result: Span['tags'][string] | undefined }): JSX.Element {
  return result === undefined ? <>–</> : <Badge word={wordOf(String(result))} />;
}

function tagsOf(spans: readonly Span[], work: keyof typeof SPANS): Span['tags'] {
  return spans.find((span) => span.name === spanName(work))?.tags ?? {};
}

/** When it could be called. */
function startOf({ startedAt }: Verdict, spans: readonly Span[]): string {
  const ready = spans.find((span) => span.name === spanName('ready'));
  return ready === undefined ? 'Not ready yet' : `Ready after ${milliseconds(ready.start - startedAt)}`;
}

function sentenceOf({ planned, acked, result, durationMs }: Verdict, told: number): string {
  if (result === 'missing') return `${counted(told, 'consumer')} told so far`;
  const who = planned === 0 ? 'Nobody had to be told' : `${acked} of ${counted(planned, 'consumer')} acked`;
  if (result === KILLED) return `${who}; last heard of ${milliseconds(durationMs)} after it began to leave`;
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
