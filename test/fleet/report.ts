import { type Fleet, shapeOf } from './fleet.ts';
import type { Observed } from './observed.ts';
import { isCalledLossless, isUnsaid, type Judgement } from './oracle.ts';

/** The run of one fleet. */
export interface Ran {
  readonly fleet: Fleet;
  readonly observed: Observed;
  readonly judgement: Judgement;
}

/** One run in a few lines: its shape, the results of the traces, the loss of clients, and the violations. */
export function linesOf({ fleet, observed, judgement }: Ran): readonly string[] {
  const { failures, falseAlarms, unexplained, untold, violations } = judgement;
  const said = observed.shutdowns.map((shutdown) => {
    const { life, verdict } = shutdown;
    const flags = [
      !verdict.whole && 'not whole',
      verdict.afterAck > 0 && `${verdict.afterAck} after ack`,
      falseAlarms.includes(shutdown) && 'no failure',
    ].filter(Boolean);
    return `${life.provider} ${verdict.result} ${verdict.acked}/${verdict.planned}${flags.length > 0 ? ` (${flags.join(', ')})` : ''}`;
  });
  const failed = observed.outcomes.filter(({ failure }) => failure !== undefined).length;
  return [
    `${fleet.name}: ${shapeOf(fleet)}`,
    `  ${said.join('; ') || 'no shutdown'}; ${observed.outcomes.length} requests, ${failed} failed, ${failures.length} by shutdowns${untold.length > 0 ? `, ${untold.length} untold` : ''}${unexplained.length > 0 ? `, ${unexplained.length} unexplained (${[...new Set(unexplained.map(({ failure }) => failure))].join(', ')})` : ''}; verify ${observed.verify.code}`,
    ...violations.map(({ kind, text }) => `  VIOLATION ${kind}: ${text}`),
  ];
}

/** All runs in a table. */
export function summaryOf(runs: readonly Ran[], broken: number): readonly string[] {
  const outcomes = runs.flatMap(({ observed }) => observed.outcomes);
  const shutdowns = runs.flatMap(({ observed }) => observed.shutdowns);
  const violations = runs.flatMap(({ judgement }) => judgement.violations);
  const alarms = runs.flatMap(({ judgement }) => judgement.falseAlarms);
  const sum = (count: (ran: Ran) => number): number => runs.reduce((total, ran) => total + count(ran), 0);
  return [
    `runs                      ${runs.length}${broken > 0 ? `, and ${broken} that could not be played` : ''}`,
    `requests                  ${outcomes.length}`,
    `failed                    ${outcomes.filter(({ failure }) => failure !== undefined).length}`,
    `  that a shutdown cost    ${sum(({ judgement }) => judgement.failures.length)}, in ${runs.filter(({ judgement }) => judgement.failures.length > 0).length} runs`,
    `  clients without plugin  ${sum(({ judgement }) => judgement.untold.length)} after the hold time, ${sum(({ judgement }) => judgement.untold.filter(isUnsaid).length)} of which no trace says anything`,
    `  unexplained             ${sum(({ judgement }) => judgement.unexplained.length)}`,
    `shutdowns                 ${shutdowns.length}: ${counted(shutdowns.map(({ verdict }) => verdict.result))}`,
    `  called lossless         ${shutdowns.filter(({ verdict }) => isCalledLossless(verdict)).length}`,
    `violations                ${violations.length}${violations.length > 0 ? `: ${counted(violations.map(({ kind }) => kind))}` : ''}`,
    `false alarms              ${alarms.length}`,
    ...Object.entries(groups(alarms.map(({ verdict }) => reasonOf(verdict.result, verdict.problems)))).map(
      ([reason, count]) => `  ${String(count).padStart(4)} ${reason}`,
    ),
  ];
}

function groups(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort(([, one], [, other]) => other - one));
}

function counted(words: readonly string[]): string {
  return Object.entries(groups(words))
    .map(([word, count]) => `${count} ${word}`)
    .join(', ');
}

/** Result and first problem, other problems before missing spans, without the parts that differ between runs. */
function reasonOf(result: string, problems: readonly string[]): string {
  const first = problems.find((problem) => !/\bspans?\b/.test(problem)) ?? problems[0] ?? '';
  return `${result}: ${first.replace(/\S*\d\S*/g, '#')}`;
}
