import { constants } from 'node:os';
import { asError } from '../errors.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { forwardToWorkers, onFirstFork, onPrimaryLost } from './cluster.ts';

/** Signals that ask a process to end: SIGTERM from platforms, SIGINT from terminals and PM2. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** A signal that asks a process to end. */
export type EndSignal = (typeof SIGNALS)[number];

/** The same signal again within this time, in milliseconds, is an echo: a terminal signals npm and us, and npm passes it on. */
const ECHO_MS = 50;

/** The same in a cluster worker, which hears a terminal or systemd itself and then its primary, however busy that is. */
const WORKER_ECHO_MS = 1_000;

/** The application's own handlers get at least this long, in milliseconds, even when the deadline has passed. */
const LEAST_EXIT_MS = 1_000;

/** When the default action has not ended the process by then (PID 1 has none; the signal may be ignored), it is ended, in milliseconds. */
const RAISE_MS = 100;

export interface SignalsOptions {
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Runs or joins the offline. Resolves with true when the process may be ended (the trace is sent or spooled), with false
   * when the offline was undone. Never rejects.
   */
  readonly offline: (signal: EndSignal) => Promise<boolean>;
  /** Milliseconds after the hand-over until the process is ended when the application's own handlers leave it running. */
  readonly exitAfter: () => number;
  /** Milliseconds a cluster primary waits for its workers. */
  readonly gracePeriod: () => number;
}

/** Decides how the process ends; the only place that does. */
export interface Signals {
  /** Call at the start: arms a cluster primary, which serves nothing itself, with its first fork. */
  watch(): void;
  /** Call when the process serves HTTP, and not before: a plain tool keeps its own behaviour. */
  arm(): void;
  /** Gives the signals back. */
  disarm(): void;
  /** Ends the process after an offline that no signal began. */
  finish(): void;
}

/**
 * Takes SIGTERM and SIGINT before the application sees them, without a lasting patch.
 *
 * 1. The first signal runs the offline. The application's listeners do not run yet, so its telemetry and its connections
 *    live until the last request is answered (R25: telemetry shut down at SIGTERM). An offline that runs already is joined
 *    (R23: preStop and SIGTERM both trigger).
 * 2. Then the signal is handed over:
 *    - to the application's own listeners, when it has any. The process ends as they decide; one they leave running ends
 *      by itself when nothing is left open, or after `exitAfter` (at least 1 s) with `process.exitCode`, else 128 + n;
 *    - to listeners that only flush telemetry (OpenTelemetry's `register`), which decide nothing: once they have settled,
 *      the default action follows;
 *    - to the default action otherwise: killed by the signal, so the parent sees the true status. PID 1 has no default
 *      action; it exits with 128 + n.
 * 3. A second signal while the offline runs is handed over at once. The same signal within 50 ms (1 s in a cluster worker)
 *    is an echo of the first and is passed over.
 *
 * `finish` hands SIGTERM to the application's own listeners in the same way; without any it exits with 0.
 *
 * A cluster primary without own listeners passes the signal on to its workers and takes the default action when they are
 * gone, see `forwardToWorkers`; a primary with own listeners is left alone unless it serves HTTP itself. A worker that loses
 * its primary goes offline before it exits with 0, as `finish` does.
 *
 * A `process.emit('SIGTERM')` of the application is no signal and goes to its listeners as before.
 */
export function createSignals(options: SignalsOptions): Signals {
  return new ProcessSignals(options);
}

class ProcessSignals implements Signals {
  readonly #options: SignalsOptions;
  readonly #released: (() => void)[] = [];
  #phase: 'idle' | 'armed' | 'offline' | 'done' = 'idle';
  #serves = false;
  #isPrimary = false;
  #first: { readonly signal: EndSignal; readonly at: number; readonly echoMs: number } | undefined;

  constructor(options: SignalsOptions) {
    this.#options = options;
  }

  watch(): void {
    onFirstFork(() => {
      this.#isPrimary = true;
      this.#take();
    });
  }

  arm(): void {
    if (!this.#serves) this.#released.push(onPrimaryLost(() => this.#primaryLost()));
    this.#serves = true;
    this.#take();
  }

  disarm(): void {
    this.#release('idle');
    this.#serves = false;
  }

  finish(): void {
    if (this.#phase === 'idle' || this.#phase === 'armed') this.#handOver('SIGTERM', 0, () => exit(0));
  }
}
