/** A participant of a rotation. */
export interface Turn {
  /** Share of the turns, relative to the others. */
  share: number;
  /** Credit between turns; belongs to the rotation. */
  credit: number;
}

/**
 * Smooth weighted round robin (nginx `ngx_http_upstream_get_round_robin_peer`): exact shares and no long runs on one instance.
 * Consumers start with random credits, so that many of them do not pick the same instance at once.
 */
export function nextTurn<T extends Turn>(turns: readonly T[]): T | undefined {
  let best: T | undefined;
  let total = 0;
  for (const turn of turns) {
    turn.credit += turn.share;
    total += turn.share;
    if (best === undefined || turn.credit > best.credit) best = turn;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}
