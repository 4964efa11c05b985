import { END_SIGNALS, type EndSignal } from '../lifecycle/outcomes.ts';
import { choice, list, type Parser } from './parsers.ts';

const names = list(choice(...END_SIGNALS), END_SIGNALS.length);

/** A list of at least one signal, each once. */
export const endSignals: Parser<readonly EndSignal[]> = Object.assign(
  (text: string): readonly EndSignal[] => {
    const signals = new Set(names(text));
    if (signals.size === 0) throw new Error(`must be ${names.rule}`);
    return [...signals];
  },
  { rule: names.rule },
);
