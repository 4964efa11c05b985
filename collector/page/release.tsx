import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { judge } from '../../src/trace/model/judge.ts';
import { isLossy, lanesOf, summaryOf } from '../../src/trace/model/release-summary.ts';
import type { ShownRelease } from '../../src/trace/model/shown.ts';
import { counted, milliseconds } from '../../src/trace/model/trace.ts';
import { Badge, Fact, Value } from './parts.tsx';
import { Picture, type Scale, scaleOf } from './release-picture.tsx';
import { momentOf, outcomeOfRelease } from './words.ts';

/** Most shutdowns whose problems are listed above the picture. */
const TOLD = 3;

interface ReleaseProps {
  readonly shown: ShownRelease;
  readonly now: number;
  /** Default: the release fills its picture. */
  readonly scale?: Scale;
  readonly hrefOf: (traceId: string) => string;
}

/** One release: its summary and its picture. */
export function ReleaseView({ shown, now, scale = scaleOf(shown, now), hrefOf }: ReleaseProps): JSX.Element {
  const { release, unread } = shown;
  const summary = summaryOf(release);
  const word = outcomeOfRelease(judge(release.stops, now), summary, unread);
  useEffect(() => {
    document.title = `${release.service} ${release.version} ${word.text} – lossless`;
  }, [release, word.text]);
  return (
    <>
      <section class="summary" aria-label="verdict">
        <p class="verdict">
          <Badge word={word} />
          <span class="sentence">{unread > 0 ? `${counted(unread, 'trace')} still to be read` : summary.sentence}</span>
        </p>
        <Facts shown={shown} now={now} />
        <Losses shown={shown} hrefOf={hrefOf} />
      </section>
      <Picture shown={shown} now={now} scale={scale} hrefOf={hrefOf} />
    </>
  );
}

function Facts({ shown: { release }, now }: Pick<ReleaseProps, 'shown' | 'now'>): JSX.Element {
  const { startedAt, starts, stops } = release;
  const took = stops.filter(({ result }) => result !== 'missing').map(({ durationMs }) => durationMs);
  const gone = stops.filter(({ result }) => result !== 'missing' && result !== 'cancelled').length;
  const sorted = took.toSorted((one, other) => one - other);
  const readyAfter = starts.flatMap((start) =>
    start.marks.ready === undefined ? [] : [start.marks.ready - start.startedAt],
  );
  return (
    <dl class="facts">
      <Fact name="began">
        <time dateTime={new Date(startedAt).toISOString()} title={new Date(startedAt).toISOString()}>
          {momentOf(startedAt, now)}
        </time>
      </Fact>
      <Fact name="left">{counted(gone, 'instance')}</Fact>
      <Fact name="came">{counted(lanesOf(release).filter(({ isNew }) => isNew).length, 'instance')}</Fact>
      {sorted.length > 0 && (
        <Fact name="shutdown, median and longest">
          {milliseconds(sorted[Math.floor((sorted.length - 1) / 2)] ?? 0)}, {milliseconds(sorted.at(-1) ?? 0)}
        </Fact>
      )}
      {readyAfter.length > 0 && <Fact name="ready, slowest">{milliseconds(Math.max(...readyAfter))}</Fact>}
    </dl>
  );
}

/** The instances that lost something, and their problems. */
function Losses({ shown: { release }, hrefOf }: Pick<ReleaseProps, 'shown' | 'hrefOf'>): JSX.Element | null {
  const lossy = [...release.stops, ...release.starts].filter(isLossy);
  if (lossy.length === 0) return null;
  return (
    <ul class="problems-told">
      {lossy.slice(0, TOLD).map(({ instanceId, problems, result, traceId }) => (
        <li key={traceId}>
          <a href={hrefOf(traceId)}>{instanceId || 'unknown'}</a> <Value text={problems[0] ?? result} />
        </li>
      ))}
      {lossy.length > TOLD && <li>and {lossy.length - TOLD} more, first in the picture</li>}
    </ul>
  );
}
