import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { KILLED } from '../../src/lifecycle/outcomes.ts';
import { ATTR, type SPANS, spanName } from '../../src/trace/model/schema.ts';
import { counted, milliseconds, type Span } from '../../src/trace/model/trace.ts';
import type { Verdict } from '../../src/trace/model/verdict.ts';
import { Badge, Fact, Value } from './parts.tsx';
import { Running } from './running.tsx';
import { isRunning, momentOf, outcomeOf, wordOf } from './words.ts';

/** Problems that are shown at first. */
const TOLD = 4;

interface SummaryProps {
  readonly verdict: Verdict;
  readonly spans: readonly Span[];
  /** The consumers whose clocks differ, in words. */
  readonly skew?: string | undefined;
}

/** The result and its reason, or the current phase; then the facts. */
export function Summary({ verdict, spans, skew }: SummaryProps): JSX.Element {
  const now = Date.now();
  const { kind, problems, runbook, startedAt, durationMs, result, whole } = verdict;
  const runs = isRunning(verdict, now);
  return (
    <section class="summary" aria-label="verdict">
      <p class="verdict">
        <Badge word={outcomeOf(verdict, now)} />
        {runs ? (
          <Running verdict={verdict} now={now} />
        ) : (
          <span class="sentence">
            {problems[0] !== undefined && <strong>{asSentence(problems[0])} </strong>}
            {kind === 'offline' ? sentenceOf(verdict) : startOf(verdict)}
          </span>
        )}
        {!runs && !whole && <Badge word={{ text: 'not whole', tone: 'bad' }} />}
        {!runs && runbook !== null && (
          <a class="runbook" href={`/runbooks/${runbook}.md`}>
            what to do
          </a>
        )}
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
      {!runs && <Problems problems={problems.slice(1)} />}
      {skew !== undefined && <p class="note">{skew}</p>}
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
      <Fact name="acked">{`${acked} of ${planned}`}</Fact>
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

/** When the instance became ready. */
function startOf({ marks, startedAt }: Verdict): string {
  return marks.ready === undefined ? 'Not ready' : `Ready after ${milliseconds(marks.ready - startedAt)}`;
}

function asSentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

function sentenceOf({ planned, acked, result, durationMs }: Verdict): string {
  const who = planned === 0 ? 'No consumer needed a GoAway' : `${acked} of ${counted(planned, 'consumer')} acked`;
  if (result === KILLED) return `${who}; last sign of life ${milliseconds(durationMs)} after it began to leave`;
  return `${who}; ${result === 'cancelled' ? 'undone after' : 'gone within'} ${milliseconds(durationMs)}`;
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
