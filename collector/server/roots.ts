import { OFFLINE_RESULTS, ONLINE_RESULTS } from '../../src/lifecycle/outcomes.ts';
import { ATTR, SPANS, spanName } from '../../src/trace/model/schema.ts';
import type { Attribute } from './attributes.ts';

/** Names as a list of SQL. */
function sqlList(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

const works = Object.keys(SPANS) as (keyof typeof SPANS)[];
const roots = works.filter((work) => SPANS[work].parent === null);

/** Names of root spans, for SQL: roots are exported last. */
export const ROOT_NAMES = sqlList(roots.map(spanName));

/** Names of the roots and of the spans that are exported at the beginning, for SQL. */
export const ROOTS = sqlList(works.filter((work) => roots.includes(work) || work.endsWith('.started')).map(spanName));

/** The names of one kind, `offline` or `online`; all names for any other kind. */
export function rootsOf(kind: string | undefined): string {
  const known = roots.find((root) => root === kind);
  return known === undefined ? ROOTS : sqlList([spanName(known), `${spanName(known)}.started`]);
}

/** An attribute in the stored body of a span. A sender cannot fake it, because JSON escapes the quotes in a sender's text. */
export function written(attribute: Attribute): string {
  return JSON.stringify(attribute);
}

const says = (attribute: Attribute): string => `instr(body, '${written(attribute)}') > 0`;

const results = [
  ...OFFLINE_RESULTS.map((result) => ({ key: ATTR.offlineResult, result })),
  ...ONLINE_RESULTS.map((result) => ({ key: ATTR.onlineResult, result })),
].map(({ key, result }) => `WHEN ${says({ key, value: { stringValue: result } })} THEN '${result}'`);

/** The result in a root, for SQL; `other` for a foreign result, or a span that is no root. */
export const RESULT = `CASE ${results.join(' ')} ELSE 'other' END`;

/** Whether a root tells of no loss, for SQL: no request after an ack, and no stranded consumer. */
export const IS_CLEAN = [ATTR.afterAck, ATTR.fanoutStranded]
  .map((key) => `(instr(body, '"${key}"') = 0 OR ${says({ key, value: { intValue: '0' } })})`)
  .join(' AND ');

/** Whether a span tells of a consumer that was not told, for SQL. */
export const IS_UNTOLD = `name = '${spanName('goaway')}' AND instr(body, '${written({ key: ATTR.goawayResult, value: { stringValue: 'acked' } })}') = 0`;
