const SECOND = 1_000;

/** Steps between two labels, in seconds. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600];
const LONGEST_STEP = 1_800;

/** A label of a time axis. */
export interface Tick {
  readonly at: number;
  readonly words: string;
}

/**
 * Labels at whole seconds from a moment, at most eight; none near an edge, where the words have no room.
 *
 * @param moment zero of the seconds, and its own label
 */
export function ticksOf(moment: Tick, since: number, end: number): readonly Tick[] {
  const step = STEPS.find((seconds) => (end - since) / SECOND / seconds <= 8) ?? LONGEST_STEP;
  const edge = (end - since) * 0.03;
  const first = Math.ceil((since + edge - moment.at) / SECOND / step);
  const last = Math.floor((end - edge - moment.at) / SECOND / step);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => {
    const seconds = (first + n) * step;
    const words = seconds === 0 ? moment.words : `${seconds > 0 ? '+' : '−'}${Math.abs(seconds)} s`;
    return { at: moment.at + seconds * SECOND, words };
  });
}
