/** A participant of a rotation. */
export interface Turn {
  /** Share of the turns, relative to the others. */
  share: number;
  /** Credit between turns; belongs to the rotation. */
  credit: number;
  /** It has no place in the rounds yet. */
  isNew: boolean;
}

/**
 * Smooth weighted round robin (nginx `ngx_http_upstream_get_round_robin_peer`): exact shares and no long runs on one instance.
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

/**
 * Gives those that are new a place in the rounds, at random, because many consumers begin, or see a new instance, at the same time.
 *
 * Those that begin together come anywhere in a round, as they do later. A round is as long as all shares together; were it as long as
 * one share, all consumers would come to the heavy ones first, then to the light ones, and so round after round.
 *
 * One that joins others gets the credit of any of them, so it comes when that one does.
 */
export function seat(turns: readonly Turn[]): void {
  const joining = turns.filter(({ isNew }) => isNew);
  if (joining.length === 0) return;
  const others = turns.filter(({ isNew }) => !isNew);
  const round = turns.reduce((sum, { share }) => sum + share, 0);
  for (const turn of joining) {
    turn.credit = others[Math.floor(Math.random() * others.length)]?.credit ?? -Math.random() * round;
    turn.isNew = false;
  }
}
