import { SPANS, spanName } from '../../src/trace/model/schema.ts';

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
