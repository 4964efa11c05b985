import type { JSX } from 'preact';
import { MARKS } from '../../src/trace/model/marks.ts';
import type { Lane } from '../../src/trace/model/release-summary.ts';
import type { Shown } from '../../src/trace/model/shown.ts';
import { counted, milliseconds } from '../../src/trace/model/trace.ts';
import { Badge, Fact, Value } from './parts.tsx';
import { momentOf, outcomeOf, wordOfMark } from './words.ts';

interface DetailsProps {
  readonly lane: Lane<Shown>;
  readonly now: number;
  readonly hrefOf: (traceId: string) => string;
}

/** Every start and shutdown of one instance in a release, with its moments, its problems and its traces. */
export function LaneDetails({ lane, now, hrefOf }: DetailsProps): JSX.Element {
  return (
    <div class="details">
      {lane.passages.map((passage) => (
        <Details key={passage.traceId} passage={passage} now={now} hrefOf={hrefOf} />
      ))}
    </div>
  );
}

function Details({ passage, now, hrefOf }: Omit<DetailsProps, 'lane'> & { readonly passage: Shown }): JSX.Element {
  const { afterAck, counterpart, kind, marks, moreProblems, problems, startedAt, traceId, version } = passage;
  const isStop = kind === 'offline';
  return (
    <section aria-label={isStop ? 'shutdown' : 'start'}>
      <p class="verdict">
        <a href={hrefOf(traceId)}>{isStop ? 'Trace of its shutdown' : 'Trace of its start'}</a>
        {counterpart !== null && (
          <a href={hrefOf(counterpart)}>{isStop ? 'Trace of its start' : 'Trace of its shutdown'}</a>
        )}
        <Badge word={outcomeOf(passage, now)} />
      </p>
      <dl class="facts">
        <Fact name="version">{version || '–'}</Fact>
        <Fact name={isStop ? 'trigger' : 'started'}>{momentOf(startedAt, now)}</Fact>
        {MARKS[kind].slice(1).map((mark) => {
          const at = marks[mark];
          return (
            <Fact key={mark} name={wordOfMark(mark)}>
              {at === undefined ? '–' : `after ${milliseconds(at - startedAt)}`}
            </Fact>
          );
        })}
        {isStop && <Fact name="after ack">{counted(afterAck, 'request')}</Fact>}
      </dl>
      {problems.length > 0 && passage.result !== 'missing' && (
        <ul class="problems-told">
          {problems.map((problem) => (
            <li key={problem}>
              <Value text={problem} />
            </li>
          ))}
          {moreProblems > 0 && <li>and {moreProblems} more in its trace</li>}
        </ul>
      )}
    </section>
  );
}
