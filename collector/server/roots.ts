import { OFFLINE_RESULTS, ONLINE_RESULTS } from '../../src/lifecycle/outcomes.ts';
import { ATTR, SPANS, spanName } from '../../src/trace/model/schema.ts';
import type { Attribute } from './attributes.ts';

/** Names as a list of SQL. */
function sqlList(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

const works = Object.keys(SPANS) as (keyof typeof SPANS)[];
const roots = works.filter((work) => SPANS[work].parent === null);

/** Spans that are the root of a trace, for SQL: they are exported last. */
export const ROOT_NAMES = sqlList(roots.map(spanName));

/** The roots and the spans that are exported as soon as they begin, for SQL. */
export const ROOTS = sqlList(works.filter((work) => roots.includes(work) || work.endsWith('.started')).map(spanName));

/** Those of one kind, `offline` or `online`; of all when there is no such kind. */
export function rootsOf(kind: string | undefined): string {
  const known = roots.find((root) => root === kind);
  return known === undefined ? ROOTS : sqlList([spanName(known), `${spanName(known)}.started`]);
}

/** How the stored body of a span holds an attribute: quotes inside of what a sender has written stand behind a backslash there. */
export function written(attribute: Attribute): string {
  return JSON.stringify(attribute);
}

const says = (attribute: Attribute): string => `instr(body, '${written(attribute)}') > 0`;

const results = [
  ...OFFLINE_RESULTS.map((result) => ({ key: ATTR.offlineResult, result })),
  ...ONLINE_RESULTS.map((result) => ({ key: ATTR.onlineResult, result })),
].map(({ key, result }) => `WHEN ${says({ key, value: { stringValue: result } })} THEN '${result}'`);

/** The result that a root says, for SQL; `other` for one that is none of ours, or no root. */
export const RESULT = `CASE ${results.join(' ')} ELSE 'other' END`;

/** Whether a root tells no loss, for SQL: no request after an ack, and no consumer that was left alone. */
export const IS_CLEAN = [ATTR.afterAck, ATTR.fanoutStranded]
  .map((key) => `(instr(body, '"${key}"') = 0 OR ${says({ key, value: { intValue: '0' } })})`)
  .join(' AND ');

/** Whether a span tells of a consumer that was not told, for SQL. */
export const IS_UNTOLD = `name = '${spanName('goaway')}' AND instr(body, '${written({ key: ATTR.goawayResult, value: { stringValue: 'acked' } })}') = 0`;
