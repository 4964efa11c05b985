import type { Gate } from '../trace/model/judge.ts';
import { isCounted, isLossless, type Verdict } from '../trace/model/verdict.ts';

/** A report for CI systems: a test suite of the service, with a case for each shutdown and one for the gate itself. */
export function junitOf({ service, verdict, reason, shutdowns }: Gate): string {
  const cases = [
    ...shutdowns.map((each) => ({ name: `shutdown of ${each.instanceId}`, ms: each.durationMs, ...outcomeOf(each) })),
    { name: 'release gate', ms: 0, ...(verdict === 'unknown' && { error: reason }) },
  ];
  const count = (outcome: string): number => cases.filter((each) => outcome in each).length;
  const counts = `tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${escaped(service)}" ${counts}>`,
    ...cases.flatMap(({ name, ms, ...outcome }) => [
      `  <testcase classname="${escaped(service)}" name="${escaped(name)}" time="${(ms / 1_000).toFixed(3)}">`,
      ...Object.entries(outcome).map(([kind, message]) => `    <${kind} message="${escaped(message)}"/>`),
      '  </testcase>',
    ]),
    '</testsuite>',
    '',
  ].join('\n');
}

function outcomeOf(verdict: Verdict): { readonly failure?: string; readonly skipped?: string } {
  if (!isCounted(verdict)) return { skipped: 'the instance was never ready and served no request' };
  return isLossless(verdict) ? {} : { failure: verdict.problems.join('; ') || verdict.result };
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Escapes names, because they come from traces, which anybody may have written. */
function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => ENTITIES[sign] ?? '');
}
