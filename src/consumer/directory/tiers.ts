import type { Protocol } from '../../registry/endpoints.ts';
import type { Endpoint } from './endpoint.ts';
import type { Roster } from './roster.ts';

/** The instances of a service, as far as the choice among them needs them. */
export interface Known {
  /** Listed, and not isolated. */
  readonly free: readonly Endpoint[];
  readonly roster: Roster;
  /** Whether an instance is in the zone of this process, or there is no zone. */
  readonly isNear: (endpoint: Endpoint) => boolean;
}

/**
 * Tiers of instances for calls of `protocol`, best first: a tier is used, and looked at, only when those before it are empty. An
 * instance that could not be connected to last is tried again beside others, and makes no tier without them: a channel of gRPC
 * that knows only this one fails its calls.
 */
export function* tiersFor(protocol: Protocol, { free, roster, isNear }: Known): Generator<readonly Endpoint[]> {
  const taking = (endpoints: readonly Endpoint[]) => endpoints.filter((endpoint) => endpoint.takes(protocol));
  const near = free.filter((endpoint) => endpoint.takes(protocol) && isUsable(endpoint) && isNear(endpoint));
  if (near.some(isProven)) yield near;
  const all = taking(free);
  const usable = all.filter(isUsable);
  if (usable.some(isProven)) yield usable;
  const awake = all.filter((endpoint) => !isResting(endpoint));
  if (awake.some(isProven)) yield awake;
  // The others that leave were promised no more requests, and may stop at any moment.
  const kept = keptFor(protocol, roster);
  if (kept.length > 0) yield [...kept, ...awake];
  yield near;
  yield usable;
  yield awake;
  yield all;
  const listed = taking(roster.listed);
  yield listed.filter((endpoint) => !isResting(endpoint));
  yield listed;
  // The last instances for this protocol may be leaving, and serve until they refuse connections. An empty list may be wrong.
  const last = taking(roster.lastOf(protocol));
  yield roster.listed.length > 0 ? last.filter((endpoint) => !isResting(endpoint)) : last;
}

/** Instances that leave, and wait for this process. */
export function keptFor(protocol: Protocol, roster: Roster): readonly Endpoint[] {
  return roster.all.filter((endpoint) => endpoint.isKept && endpoint.takes(protocol) && !isResting(endpoint));
}

/** Whether it could not be connected to a moment ago. */
export function isResting({ rest }: Endpoint): boolean {
  return rest?.isPassedOver === true;
}

/** Whether the last connection to it, if any, succeeded. */
export function isProven({ rest }: Endpoint): boolean {
  return rest === undefined || rest.isOver;
}

function isUsable(endpoint: Endpoint): boolean {
  return !isResting(endpoint) && endpoint.instance.weight > 0;
}
