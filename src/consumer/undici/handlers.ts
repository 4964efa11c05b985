import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Guard } from '../../guard.ts';
import { DRAINING_HEADER } from '../../protocol/header.ts';

/** Events of a request for its call. */
export interface Progress {
  /** The request is about to be written. @throws to make it fail before that */
  starts(): void;
  /** The head of a response has come. @param marker finds the draining marker that it carries */
  answered(marker: () => string | undefined): void;
  upgraded(socket: Duplex): void;
  ended(): void;
  /** @returns whether another instance has taken it, so that the application gets no error */
  moves(error: Error): boolean;
}

type Current = Dispatcher.DispatchHandler;
type Of<Name extends keyof Current> = Parameters<NonNullable<Current[Name]>>;

/** Handlers of undici 5 to 7; further methods of undici 8 are passed on. */
interface Legacy {
  onConnect?(...call: unknown[]): unknown;
  onUpgrade?(status: number, headers: unknown, socket: Duplex): unknown;
  onResponseStarted?(): unknown;
  onHeaders?(status: number, headers: unknown, ...more: unknown[]): unknown;
  onData?(chunk: Buffer): unknown;
  onComplete?(trailers: unknown): unknown;
  onError?(error: Error): unknown;
  onBodySent?(chunk: unknown): unknown;
  onRequestSent?(): unknown;
}

/** The handler for undici in place of the application's, of the same kind, so that nothing is translated. */
export function listening(handler: Current, progress: Progress, guard: Guard): Current {
  const guarded = new GuardedProgress(progress, guard);
  return isCurrent(handler)
    ? new CurrentListener(handler, guarded)
    : (new LegacyListener(handler as Legacy, guarded) as Current);
}

/** Lets only the intended error of `starts` through. */
class GuardedProgress implements Progress {
  readonly #progress: Progress;
  readonly #guard: Guard;

  constructor(progress: Progress, guard: Guard) {
    this.#progress = progress;
    this.#guard = guard;
  }

  starts(): void {
    this.#progress.starts();
  }

  answered(marker: () => string | undefined): void {
    this.#guard.attempt(HOOK, () => this.#progress.answered(marker), nothing);
  }

  upgraded(socket: Duplex): void {
    this.#guard.attempt(HOOK, () => this.#progress.upgraded(socket), nothing);
  }

  ended(): void {
    this.#guard.attempt(HOOK, () => this.#progress.ended(), nothing);
  }

  moves(error: Error): boolean {
    return this.#guard.attempt(
      HOOK,
      () => this.#progress.moves(error),
      () => false,
    );
  }
}

/** What the guard calls this. */
const HOOK = 'a response of fetch or undici';

function nothing(): void {}

/** Tells a handler that its request failed before anything was sent. */
export function fail(handler: Current, error: Error): void {
  if (isCurrent(handler)) handler.onResponseError?.(null as never, error);
  else (handler as Legacy).onError?.(error);
}

/** Handlers of undici 8, and composed ones of 7. */
function isCurrent(handler: Current): boolean {
  return typeof handler?.onRequestStart === 'function';
}

class CurrentListener implements Current {
  readonly #handler: Current & Legacy;
  readonly #progress: Progress;

  constructor(handler: Current, progress: Progress) {
    this.#handler = handler as Current & Legacy;
    this.#progress = progress;
  }

  onRequestStart(...call: Of<'onRequestStart'>): void {
    this.#progress.starts();
    this.#handler.onRequestStart?.(...call);
  }

  onRequestUpgrade(...call: Of<'onRequestUpgrade'>): void {
    this.#progress.upgraded(call[3]);
    this.#handler.onRequestUpgrade?.(...call);
  }

  onResponseStart(...call: Of<'onResponseStart'>): void {
    this.#progress.answered(() => {
      const marker = call[2][DRAINING_HEADER];
      return typeof marker === 'string' ? marker : undefined;
    });
    this.#handler.onResponseStart?.(...call);
  }

  onResponseData(...call: Of<'onResponseData'>): void {
    this.#handler.onResponseData?.(...call);
  }

  onResponseEnd(...call: Of<'onResponseEnd'>): void {
    this.#progress.ended();
    this.#handler.onResponseEnd?.(...call);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#progress.moves(error)) this.#handler.onResponseError?.(controller, error);
  }

  onBodySent(chunk: unknown): void {
    this.#handler.onBodySent?.(chunk);
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.();
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.();
  }
}

class LegacyListener implements Legacy {
  readonly #handler: Legacy;
  readonly #progress: Progress;

  constructor(handler: Legacy, progress: Progress) {
    this.#handler = handler;
    this.#progress = progress;
  }

  onConnect(...call: unknown[]): unknown {
    this.#progress.starts();
    return this.#handler.onConnect?.(...call);
  }

  onUpgrade(status: number, headers: unknown, socket: Duplex): unknown {
    this.#progress.upgraded(socket);
    return this.#handler.onUpgrade?.(status, headers, socket);
  }

  onResponseStarted(): unknown {
    return this.#handler.onResponseStarted?.();
  }

  onHeaders(status: number, headers: unknown, ...more: unknown[]): unknown {
    this.#progress.answered(() => rawMarker(headers));
    return this.#handler.onHeaders?.(status, headers, ...more);
  }

  onData(chunk: Buffer): unknown {
    return this.#handler.onData?.(chunk);
  }

  onComplete(trailers: unknown): unknown {
    this.#progress.ended();
    return this.#handler.onComplete?.(trailers);
  }

  onError(error: Error): unknown {
    return this.#progress.moves(error) ? undefined : this.#handler.onError?.(error);
  }

  onBodySent(chunk: unknown): unknown {
    return this.#handler.onBodySent?.(chunk);
  }

  onRequestSent(): unknown {
    return this.#handler.onRequestSent?.();
  }
}

/** The marker among names and values in turn, each a buffer or text. */
function rawMarker(headers: unknown): string | undefined {
  if (!Array.isArray(headers)) return undefined;
  const at = headers.findIndex(
    (name, n) =>
      n % 2 === 0 && name.length === DRAINING_HEADER.length && String(name).toLowerCase() === DRAINING_HEADER,
  );
  return at < 0 ? undefined : String(headers[at + 1]);
}
