import { constants } from 'node:os';
import { asError } from '../errors.ts';
import type { Guard } from '../guard.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { EndSignal } from '../lifecycle/outcomes.ts';
import type { Log } from '../log.ts';
import { forwardToWorkers, isWorker, onFirstFork, onPrimaryLost } from './cluster.ts';
import { SignalHook, type SignalListener } from './signal-hook.ts';

/**
 * The same signal again within this time, in milliseconds, is an echo: a terminal signals npm and this process, and npm passes it
 * on.
 */
const ECHO_MS = 50;

/** The same where a cluster primary or a launcher, which may be busy, passes on a signal of systemd or a terminal. */
const PASSED_ON_ECHO_MS = 1_000;

/** The application's own listeners get at least this long, in milliseconds, even when the deadline has passed. */
const LEAST_EXIT_MS = 1_000;

/** How long the default action gets to end the process, in milliseconds. PID 1 has none. */
const DEFAULT_ACTION_MS = 100;

export interface SignalsOptions {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly log: Log;
  /** What begins an offline. */
  readonly signals: readonly EndSignal[];
  /**
   * Runs the offline, or joins it. Resolves with true when the process may end (the trace is sent or spooled), with false
   * when the offline was undone.
   */
  readonly offline: (signal: EndSignal) => Promise<boolean>;
  /** Milliseconds after the hand-over until the process is ended when the application's own listeners leave it running. */
  readonly exitAfter: () => number;
  /** Milliseconds an offline may take; a cluster primary waits as long for its workers. */
  readonly gracePeriod: () => number;
}

/** How the plugin ends a process that the application leaves running. */
interface Ending {
  /** Exit code at the deadline, unless the application has set `process.exitCode`. */
  readonly code: number;
  readonly end: () => void;
}

/** Leaves with 0, or with the code the application has set. */
const EXIT: Ending = { code: 0, end: () => process.exit() };

/**
 * The only place that decides how the process ends.
 *
 * 1. The first of `signals` runs the offline, or joins one that runs (R23: preStop and SIGTERM both trigger). The application's
 *    listeners wait, so its telemetry and its connections live until the last request is answered (R25: telemetry shut down at
 *    SIGTERM). Those of a launcher run at once, see `SignalHook.tellRelays`.
 * 2. Then the signal is handed over:
 *    - to the application's own listeners, when it has any. The process ends as they decide. One they leave running ends by
 *      itself when nothing is left open, or after `exitAfter`, at least 1 s, with `process.exitCode`, else with 128 + n;
 *    - to listeners that only flush telemetry (`register` of OpenTelemetry), which replace the default action without meaning to:
 *      when they have settled, the default action follows;
 *    - to the default action otherwise: killed by the signal, so that the parent sees the true status. Where that has no effect
 *      (PID 1) the process exits with 128 + n.
 * 3. A second signal while the offline runs is handed over at once, the same or the other one. The same one within 50 ms, in a
 *    cluster worker or under a launcher with a relay within 1 s, is an echo of the first.
 *
 * A cluster primary without own listeners passes the signal on and ends after its workers, see `forwardToWorkers`. One with own
 * listeners is left alone, unless it serves HTTP itself. A worker that loses its primary goes offline and exits with 0.
 *
 * `process.emit('SIGTERM')` by the application is not a signal; it reaches the listeners as before.
 */
export class Signals {
  readonly #options: SignalsOptions;
  readonly #hook: SignalHook;
  #phase: 'idle' | 'armed' | 'offline' | 'done' = 'idle';
  #serves = false;
  #forks = false;
  #first: { readonly signal: EndSignal; readonly at: number } | undefined;
  /** The signal that began the running offline. */
  #leaving: { readonly signal: EndSignal; readonly ending: Ending } | undefined;
  #forget: readonly (() => void)[] = [];

  constructor(options: SignalsOptions) {
    this.#options = options;
    this.#hook = new SignalHook(options.signals, options.guard, (signal) => this.#see(signal));
  }

  /** Call at the start: a cluster primary does not serve itself, so its first fork arms it. */
  watch(): void {
    const forked = onFirstFork(this.#options.guard, () => {
      this.#forks = true;
      this.#arm();
    });
    this.#forget = [...this.#forget, forked];
  }

  /** Call when the process serves HTTP and not before: a plain tool keeps its own behaviour. */
  arm(): void {
    if (this.#serves) return;
    this.#serves = true;
    const lost = onPrimaryLost(this.#options.guard, () => this.#primaryLost());
    this.#forget = [...this.#forget, lost];
    this.#arm();
  }

  /** Releases the signals. A signal whose offline runs is handed over now, because otherwise it would be lost. */
  disarm(): void {
    const leaving = this.#phase === 'offline' ? this.#leaving : undefined;
    for (const forget of this.#forget) forget();
    this.#forget = [];
    this.#serves = false;
    this.#forks = false;
    if (this.#phase !== 'idle') this.#hook.release();
    this.#phase = 'idle';
    if (leaving !== undefined) queueMicrotask(() => this.#handOver(leaving.signal, leaving.ending));
  }

  /**
   * Ends the process after an offline that no signal began: SIGTERM goes to the application's own listeners as in 2.,
   * without any the process exits with 0. Does nothing when a signal has joined that offline: it ends the process then.
   */
  finish(): void {
    if (this.#phase === 'idle' || this.#phase === 'armed') queueMicrotask(() => this.#handOver('SIGTERM', EXIT));
  }

  #arm(): void {
    if (this.#phase !== 'idle') return;
    this.#phase = 'armed';
    this.#hook.take();
  }

  /** @returns false when the signal goes on to the application's listeners */
  #see(signal: EndSignal): boolean {
    const { clock, log } = this.#options;
    if (this.#phase === 'armed') {
      if (!this.#serves && this.#hook.listeners(signal).some(decides)) return false;
      this.#first = { signal, at: clock.now() };
      this.#hook.tellRelays(signal);
      void this.#leave(signal, this.#ending(signal));
      return true;
    }
    if (this.#phase !== 'offline') return false;
    if (this.#isEcho(signal)) {
      this.#hook.tellRelays(signal);
      return true;
    }
    log('warn', `${signal} while the offline runs: handed over at once`);
    if (this.#forks) void this.#endWorkers(signal);
    this.#handOver(signal, this.#ending(signal));
    return true;
  }

  #isEcho(signal: EndSignal): boolean {
    const first = this.#first;
    const isPassedOn = isWorker() || this.#hook.relays(signal).length > 0;
    const echoMs = isPassedOn ? PASSED_ON_ECHO_MS : ECHO_MS;
    return first !== undefined && first.signal === signal && this.#options.clock.now() - first.at < echoMs;
  }

  #primaryLost(): void {
    if (this.#phase === 'armed') void this.#leave('SIGTERM', EXIT);
  }

  async #leave(signal: EndSignal, ending: Ending): Promise<void> {
    this.#phase = 'offline';
    this.#leaving = { signal, ending };
    const alive = this.#options.clock.hold();
    const [mayEnd] = await Promise.all([this.#offline(signal), this.#endWorkers(signal)]);
    alive.cancel();
    if (this.#phase !== 'offline') return;
    if (mayEnd) queueMicrotask(() => this.#handOver(signal, ending));
    else this.#phase = 'armed';
  }

  async #offline(signal: EndSignal): Promise<boolean> {
    if (!this.#serves) return true;
    try {
      return await this.#options.offline(signal);
    } catch (thrown) {
      this.#options.log('error', `the offline failed: ${asError(thrown).message}`);
      return true;
    }
  }

  async #endWorkers(signal: EndSignal): Promise<void> {
    const { clock, gracePeriod, log } = this.#options;
    if (!this.#forks) return;
    try {
      await forwardToWorkers(signal, clock, gracePeriod() + LEAST_EXIT_MS);
    } catch (thrown) {
      log('error', `the workers were not ended: ${asError(thrown).message}`);
    }
  }

  #ending(signal: EndSignal): Ending {
    const code = 128 + constants.signals[signal];
    const end = (): void => {
      this.#options.clock.hold();
      this.#options.clock.after(DEFAULT_ACTION_MS, () => exit(code));
      process.kill(process.pid, signal);
    };
    return { code, end };
  }

  /** An error of a listener must be an uncaught exception, as without the plugin: do not call this where errors are caught. */
  #handOver(signal: EndSignal, { code, end }: Ending): void {
    const { clock, exitAfter } = this.#options;
    const listeners = this.#hook.listeners(signal);
    this.#phase = 'done';
    this.#hook.release();
    if (listeners.length === 0) {
      end();
      return;
    }
    clock.after(Math.max(exitAfter(), LEAST_EXIT_MS), () => exit(process.exitCode ?? code));
    if (listeners.some(decides)) emit(signal);
    else void this.#flush(signal, listeners).then(end);
  }

  /** Runs listeners that only flush telemetry, and removes them so that the default action applies again. */
  async #flush(signal: EndSignal, listeners: readonly SignalListener[]): Promise<void> {
    const alive = this.#options.clock.hold();
    const number = constants.signals[signal];
    await Promise.allSettled(listeners.map(async (listener) => listener.call(process, signal, number)));
    process.removeAllListeners(signal);
    alive.cancel();
  }
}

/** Calls the listeners with the arguments that Node.js gives them; its types leave out the number. */
function emit(signal: EndSignal): void {
  Reflect.apply(process.emit, process, [signal, signal, constants.signals[signal]]);
}

/** Outside the guarded clock: an error of a listener of `exit` must stay an uncaught exception and end the process. */
function exit(code: number | string): void {
  queueMicrotask(() => process.exit(code));
}

/** Takes no signal yet: see `watch` and `arm`. */
export function createSignals(options: SignalsOptions): Signals {
  return new Signals(options);
}

/**
 * Whether a listener is the application's own, so that it decides about the process. The one of OpenTelemetry
 * (auto-instrumentations-node, src/register.ts) shuts its SDK down and leaves the process running.
 */
function decides(listener: SignalListener): boolean {
  return !Function.prototype.toString.call(listener).includes('OpenTelemetry SDK terminated');
}
