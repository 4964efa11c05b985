import {
  type Departure,
  type Draining,
  ERRORS,
  type ErrorCode,
  type LifecycleRecord,
  LosslessError,
  type leaving,
  type OfflineHandle,
  type OfflineReport,
  offline,
  type online,
  onOffline,
  type Refusal,
  type State,
  type Status,
  status,
  subscribe,
  waitUntil,
} from 'lossless-lifecycle';
import 'lossless-lifecycle/register';

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
function same<A, B>(_: Same<A, B>): void {}

// What is returned.
same<ReturnType<typeof offline>, OfflineHandle | undefined>(true);
same<ReturnType<typeof online>, Promise<boolean>>(true);
same<ReturnType<typeof status>, Status | undefined>(true);
same<ReturnType<typeof leaving>, AbortSignal>(true);
same<OfflineHandle['done'], Promise<OfflineReport | Refusal>>(true);

// Without the plugin there is no handle and no status.
// @ts-expect-error
offline().done;
// @ts-expect-error
status().state;
const state: State | undefined = status()?.state;
// @ts-expect-error there is no such state
const _none: State = 'gone';

// A task keeps its type.
same<Promise<number>, ReturnType<typeof waitUntil<Promise<number>>>>(true);
const sent: Promise<'sent'> = waitUntil(Promise.resolve('sent' as const), 'mail');
const like: PromiseLike<number> = waitUntil({} as PromiseLike<number>);
// @ts-expect-error no promise
waitUntil(7);
// @ts-expect-error a function is no promise: call it
waitUntil(async () => {});
// @ts-expect-error the name is text
waitUntil(sent, 7);

// A handler hears of its departure, and may return anything.
const forget: () => void = onOffline('pool', async (departure) => {
  same<typeof departure, Departure>(true);
  await departure.drained;
  departure.signal.throwIfAborted();
  const _traceId: string = departure.traceId;
  // @ts-expect-error nobody changes it
  departure.traceId = '';
});
onOffline('queue', () => 7);
forget();
// @ts-expect-error a handler has a name
onOffline(() => {});

// A record is one of four kinds, and each has what belongs to it.
subscribe((record) => {
  same<typeof record, LifecycleRecord>(true);
  if (record.kind === 'transition') {
    const _to: State = record.to;
    // @ts-expect-error a move is no work
    record.work;
  }
  if (record.kind === 'ended' && record.work === 'goaway') record.facts.result?.toUpperCase();
});
// @ts-expect-error a listener is given a record
subscribe((text: string) => text);

// Errors are told apart by their code.
const code: ErrorCode = new LosslessError('LOSSLESS_REGISTRY_UNAVAILABLE', 'no answer').code;
const _meaning: string = ERRORS[code];
// @ts-expect-error there is no such code
new LosslessError('LOSSLESS_NO_SUCH_CODE', '');

// What the channel `lossless:draining` tells.
const _left: number = ({} as Draining).leftMs;

export { like, state };
