import { choice, list, type Parser } from './parsers.ts';

/** Signals that ask a process to end: SIGTERM from platforms, SIGINT from terminals and PM2, the others where they are set. */
export const END_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;

/** A signal that asks a process to end. */
export type EndSignal = (typeof END_SIGNALS)[number];

const names = list(choice(...END_SIGNALS), END_SIGNALS.length);

/** At least one of them, each once. */
export const endSignals: Parser<readonly EndSignal[]> = Object.assign(
  (text: string): readonly EndSignal[] => {
    const signals = new Set(names(text));
    if (signals.size === 0) throw new Error(`must be ${names.rule}`);
    return [...signals];
  },
  { rule: names.rule },
);
