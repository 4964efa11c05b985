import type { WorkName } from '../../lifecycle/facts.ts';
import { ATTR, SPANS, spanName } from './schema.ts';
import { counted, type Span } from './trace.ts';

type Kind = 'offline' | 'online';

/** Spans that every trace of its kind has once, however it went. */
const ALWAYS: Readonly<Record<Kind, readonly WorkName[]>> = {
  offline: ['offline.started', 'notify', 'deregister'],
  online: ['online.started'],
};

/** Spans that a trace has once unless its work was cut short. */
const COMPLETED: Readonly<Record<Kind, readonly WorkName[]>> = {
  offline: ['drain', 'stop'],
  online: ['register', 'register.read_back', 'ready'],
};

/** What each of those spans tells. */
const TELLS: Partial<Readonly<Record<WorkName, string>>> = {
  'offline.started': 'when the shutdown began',
  notify: 'which consumers got a GoAway',
  deregister: 'whether the registry dropped the instance',
  drain: 'how the drain ended',
  stop: 'which connections the instance cut',
  'online.started': 'when the start began',
  register: 'whether the registry accepted the instance',
  'register.read_back': 'whether the registry lists the instance',
  ready: 'when the instance was ready',
};

/** Our spans in a trace, by their work. */
export type Named = (work: WorkName) => readonly Span[];

/**
 * The missing parts of a trace in words; empty for a whole trace.
 *
 * @param names names of our spans, each once
 * @param orphans number of our spans whose parent is not in the trace
 */
export function missingParts(
  kind: Kind,
  result: string,
  names: readonly string[],
  named: Named,
  orphans: number,
): readonly string[] {
  return [
    ...missingSpans(kind, result, named),
    ...(orphans === 0 ? [] : [`the parent of ${counted(orphans, 'span')} has not arrived`]),
    ...missingConsumers(named, named(kind)[0]),
    ...names.filter((name) => !(name.slice('lossless.'.length) in SPANS)).map((name) => `unknown span ${name}`),
  ];
}

function missingSpans(kind: Kind, result: string, named: Named): readonly string[] {
  const ends = named(kind).length;
  const lives = kind === 'offline' ? 'is still leaving' : 'is still warming up';
  const isShort = result === 'cancelled' || result === 'error' || (kind === 'online' && result === 'missing');
  return [
    ...(ends === 0 ? [`the span ${spanName(kind)} has not arrived: the process was killed or ${lives}`] : []),
    ...(ends > 1 ? [`expected one span ${spanName(kind)}, received ${ends}`] : []),
    ...[...ALWAYS[kind], ...(isShort ? [] : COMPLETED[kind])].flatMap((work) => {
      const count = named(work).length;
      if (count === 0) return [`the span ${spanName(work)} is missing; it tells ${TELLS[work]}`];
      // A further span `notify` tells of late callers.
      return count === 1 || work === 'notify' ? [] : [`expected one span ${spanName(work)}, received ${count}`];
    }),
  ];
}

/** @param root undefined when it has not arrived */
function missingConsumers(named: Named, root: Span | undefined): readonly string[] {
  const goaways = named('goaway');
  const acked = new Set(goaways.filter((span) => span.tags[ATTR.goawayResult] === 'acked').map((span) => span.spanId));
  const attempts = new Map(named('goaway.attempt').map((span) => [span.spanId, span.parentSpanId]));
  const refreshed = new Set(
    named('consumer.refresh').map((span) => attempts.get(span.parentSpanId) ?? span.parentSpanId),
  );
  const spanless = new Set(goaways.filter((span) => span.tags[ATTR.goawayUnused] === true).map((span) => span.spanId));
  const silent = [...acked].filter((id) => !refreshed.has(id) && !spanless.has(id)).length;
  const told = goaways.filter((span) => span.tags[ATTR.goawayResult] !== 'gone').length;
  const said = (name: string, count: number): number => Number(root?.tags[name] ?? (root === undefined ? count : 0));
  const [planned, ackedOfRoot] = [said(ATTR.fanoutPlanned, told), said(ATTR.fanoutAcked, acked.size)];
  return [
    ...(told === planned
      ? []
      : [`expected a span of each of ${counted(planned, 'planned consumer')}, received ${told}`]),
    ...(acked.size === ackedOfRoot
      ? []
      : [`expected the ack of ${counted(ackedOfRoot, 'consumer')}, received ${acked.size}`]),
    ...(silent === 0
      ? []
      : [`no span ${spanName('consumer.refresh')} has arrived from ${counted(silent, 'consumer')}`]),
  ];
}
