import { LosslessError } from '../errors.ts';
import { judge } from '../trace/model/judge.ts';
import { counterpartsOf, type Release, releaseNamed, releasesOf } from '../trace/model/release.ts';
import { summaryOf } from '../trace/model/release-summary.ts';
import { namesOf, type ShownRelease, shownOf } from '../trace/model/shown.ts';
import type { Trace } from '../trace/model/trace.ts';
import { assess, type Verdict } from '../trace/model/verdict.ts';
import type { JaegerClient } from './jaeger-client.ts';
import { tracesSince } from './traces-since.ts';
import type { VerifyReport } from './verify-report.ts';

/** Reach of the first search for the last release, and quiet time that must lie before that release, in milliseconds. */
const LATELY_MS = 3_600_000;
const CLEAR_MS = 1_200_000;

/** A question to a trace store. */
export interface Question {
  readonly service: string;
  /** `service.namespace`; undefined for any. */
  readonly namespace: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly begin: number;
  /** Expected number of shutdowns. */
  readonly expected: number;
  /** A name for `releaseNamed`; undefined for all shutdowns. */
  readonly release: string | undefined;
}

/** What the command concludes from the answers of the store. */
export interface Evidence {
  readonly report: VerifyReport;
  /** The release of the question; undefined when the store has no such release. */
  readonly shown?: ShownRelease;
}

/** @throws LosslessError LOSSLESS_COLLECTOR_UNREACHABLE, or LOSSLESS_USAGE when the service exists in several namespaces */
export async function ask(client: JaegerClient, question: Question): Promise<Evidence> {
  if (question.release === undefined) return askShutdowns(client, question);
  // Search the last hour first: most often the last release is recent, and a store may hold ten thousand older shutdowns.
  const lately = Math.max(question.begin, Date.now() - LATELY_MS);
  if (question.release === 'latest' && lately > question.begin) {
    const recent = await askRelease(client, question, lately);
    const startedAt = recent.shown?.release.startedAt;
    if (startedAt !== undefined && startedAt - CLEAR_MS > lately) return recent;
  }
  return askRelease(client, question, question.begin);
}

async function askShutdowns(
  client: JaegerClient,
  { service, begin, expected, namespace }: Question,
): Promise<Evidence> {
  const { traces, isComplete } = await tracesSince(client, service, 'offline.started', begin);
  const now = Date.now();
  const verdicts = traces.map((trace) => assess(trace, now)).filter(isOf(namespace));
  const shutdowns = verdicts.sort((one, other) => one.startedAt - other.startedAt);
  const since = new Date(begin).toISOString();
  return { report: { service, since, ...judge(shutdowns, now, expected, isComplete), shutdowns } };
}

/** @param since milliseconds since the Unix epoch */
async function askRelease(
  client: JaegerClient,
  { begin, expected, namespace, release: name = '', service }: Question,
  since: number,
): Promise<Evidence> {
  const found = await Promise.all(
    (['offline.started', 'online.started'] as const).map((marker) => tracesSince(client, service, marker, since)),
  );
  const now = Date.now();
  const traces = new Map<string, Trace>(found.flatMap((each) => each.traces).map((trace) => [trace.traceId, trace]));
  const verdicts = [...traces.values()].map((trace) => assess(trace, now)).filter(isOf(namespace));
  const namespaces = [...new Set(verdicts.map((verdict) => verdict.namespace))];
  if (namespaces.length > 1)
    throw new LosslessError(
      'LOSSLESS_USAGE',
      `${service} exists in the namespaces ${namespaces.map((each) => each || '(none)').join(', ')}: name one with --namespace`,
    );
  const releases = releasesOf(verdicts);
  const release = releaseNamed(releases, name);
  const isComplete = found.every((each) => each.isComplete);
  const shutdowns = release?.stops ?? [];
  const report = {
    service,
    since: new Date(begin).toISOString(),
    ...judge(shutdowns, now, expected, isComplete),
    ...(release !== undefined && { release: { ...headOf(release), ...summaryOf(release) } }),
    shutdowns,
  };
  if (release === undefined) return { report };
  const counterparts = counterpartsOf(verdicts);
  const shown = ({ traceId }: Verdict) =>
    shownOf(traces.get(traceId) ?? { traceId, spans: [] }, now, counterparts.get(traceId));
  return {
    report,
    shown: {
      ...namesOf(release, releases),
      release: { ...release, starts: release.starts.map(shown), stops: release.stops.map(shown) },
      unread: 0,
    },
  };
}

function isOf(namespace: string | undefined): (verdict: Verdict) => boolean {
  return (verdict) => namespace === undefined || verdict.namespace === namespace;
}

function headOf({ namespace, startedAt, version }: Release): Pick<Release, 'namespace' | 'version' | 'startedAt'> {
  return { namespace, version, startedAt };
}
