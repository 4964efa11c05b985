import { AnnotationQueryBuilder, MappingType, type ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';
import { labelOf } from '../collector/server/dimensions.ts';
import { STATES, type State } from '../src/lifecycle/transitions.ts';
import { type Part, POINT_ATTR } from '../src/trace/model/offline-metrics.ts';
import { ATTR } from '../src/trace/model/schema.ts';
import { PROMETHEUS } from './datasources.ts';
import { chosen, INSTANCE, left } from './instance-metrics.ts';
import { SCRAPE_INTERVAL } from './panels.ts';
import { SERVICE } from './span-metrics.ts';

/** Most curves of a panel, because more curves cannot be told apart. */
export const MOST = 20;

export function most(expr: string): string {
  return `topk(${MOST}, ${expr})`;
}

/** The last instances that left. */
const LAST = most(`last_over_time(${left('lossless.offline.end_time')}[$__range] @ end())`);

/** The instances that left last, each with the requests of its last minute. */
export const LEAVERS = `${left('lossless.offline.requests')} and on (${INSTANCE}) ${LAST}`;

/** The states as numbers, for the lanes of a state timeline. */
const STATE_NAMES = Object.keys(STATES) as State[];
/** Names of the states. */
export const STATE_WORDS: ValueMapping[] = [
  {
    type: MappingType.ValueToText,
    options: Object.fromEntries(STATE_NAMES.map((state, index) => [String(index), { text: state, index }])),
  },
];

/** The phases of an offline and the state of the machine in each, the most important first. */
const PHASE_STATES = { drain: 'draining', notify: 'notifying', stop: 'stopping' } as const satisfies Partial<
  Record<Part, State>
>;

/** The state of each instance at each scrape, leaving instances first. */
export function scrapedState(): string {
  const each = STATE_NAMES.map((state, index) => `${index} * (${chosen('lossless_state', { state })} == 1)`);
  return most(`max by (${SERVICE}, ${INSTANCE}) (${each.join(' or ')})`);
}

/** Who drained in a step is shown to drain, also when all of its offline lies in that step. */
export function phases(): string {
  const label = labelOf(POINT_ATTR.phase);
  const each = Object.entries(PHASE_STATES).map(([phase, state]) => {
    const active = `max_over_time(${left('lossless.offline.phase.active', { [label]: phase })}[$__interval]) == 1`;
    return `max by (${SERVICE}, ${INSTANCE}) (${STATE_NAMES.indexOf(state)} * (${active}))`;
  });
  return `(${each.join(' or ')}) and on (${INSTANCE}) ${LAST}`;
}

/** A line at the time that a metric tells, once: where it was not told a step before. @param inMs turns what is told into milliseconds */
function mark(
  name: string,
  color: string,
  told: string,
  text: string,
  condition = '',
  inMs: (told: string) => string = (same) => same,
): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name(name)
    .enable(true)
    .iconColor(color)
    .datasource(PROMETHEUS)
    .expr(inMs(`${told}${condition} unless ${told} == ${told} offset $__interval`))
    .step(SCRAPE_INTERVAL)
    .useValueForTime(true)
    .titleFormat(`${name}: {{${SERVICE}}}`)
    .textFormat(text)
    .tagKeys(`${SERVICE},${INSTANCE}`);
}

const RESULT = `{{${labelOf(ATTR.offlineResult)}}}`;

/** Lines at the times at which instances began to leave, had left, and took traffic. */
export const MARKS: readonly AnnotationQueryBuilder[] = [
  mark('Offline begins', 'red', left('lossless.offline.start_time'), `{{${INSTANCE}}}, result ${RESULT}`),
  mark('Offline ended', 'orange', left('lossless.offline.end_time'), `{{${INSTANCE}}}, result ${RESULT}`),
  mark(
    'Online',
    'green',
    chosen('lossless_state_since_seconds'),
    `{{${INSTANCE}}} takes traffic, or has its full share`,
    ` and on (${SERVICE}, ${INSTANCE}) (${chosen('lossless_state', { state: 'warming|serving' })} == 1)`,
    (seconds) => `1000 * (${seconds})`,
  ),
];
