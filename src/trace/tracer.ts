import { asError } from '../errors.ts';
import type { Timer } from '../lifecycle/clock.ts';
import type { LifecycleRecord } from '../lifecycle/records.ts';
import { resourceOf } from './attributes.ts';
import { CollectorClient } from './collector-client.ts';
import { otlpBody, spansOf } from './otlp-body.ts';
import type { Outbox } from './outbox.ts';
import { replaySpool } from './replay.ts';
import type { Recorder } from './sdk.ts';
import { Spool } from './spool.ts';
import { targetLabel } from './target-label.ts';
import type { Delivery, Tracing, TracingOptions } from './tracing.ts';
import { WillKeeper } from './will-keeper.ts';

/** Most records kept while the SDK loads. */
const MOST_WAITING = 50_000;

/** How often the spool is looked at while it holds something, in milliseconds. */
const REPLAY_EVERY_MS = 30_000;

const NOTHING: Delivery = { exported: 0, spooled: 0, lost: 0 };

interface Loaded {
  readonly recorder: Recorder;
  readonly outbox: Outbox;
}

/** Makes the spans of this process. Nothing is loaded before the first piece of work is recorded. */
export function createTracing(options: TracingOptions): Tracing {
  const { clock, identity, log, resource } = options;
  const spool = new Spool({ directory: options.spoolDir, target: targetLabel(options.target), clock, log });
  const will = new WillKeeper({ spool, clock, identity, resource });
  const collector = new CollectorClient(options.target, clock);
  let loading: Promise<Loaded | undefined> | undefined;
  let loaded: Loaded | undefined;
  /** Undefined once the SDK is loaded, or cannot be. */
  let waiting: LifecycleRecord[] | undefined = [];
  /** What the spool holds is sent now, or when this timer fires. */
  let replaying: Promise<void> | undefined;
  let again: Timer | undefined;
  const ending = new AbortController();

  /** The process ends by `process.exit` or an error. */
  const exiting = (): void => {
    for (const close of [closeNow, () => will.closeNow()])
      try {
        close();
      } catch {
        // Nobody is left to tell.
      }
  };

  /** What the SDK is not there for yet is written without it. */
  const closeNow = (): void => {
    loaded?.outbox.closeNow();
    const spans = loaded === undefined ? spansOf(waiting ?? [], identity()) : [];
    if (spans.length > 0) spool.putNow(otlpBody(resourceOf(identity(), resource), spans));
  };

  const start = (sdk: typeof import('./sdk.ts'), { Outbox: Box }: typeof import('./outbox.ts')): void => {
    const outbox = new Box({
      clock,
      send: (body, hurry, signal) => collector.send(body, hurry, signal),
      failure: () => collector.failure,
      spool,
      serialize: sdk.serialize,
      kept: replayLater,
      log,
    });
    const recorder = new sdk.Recorder({
      identity,
      resource,
      finished: (span) => outbox.put(span),
    });
    loaded = { recorder, outbox };
    for (const record of waiting ?? []) take(loaded, record);
    waiting = undefined;
  };

  const load = async (): Promise<Loaded | undefined> => {
    process.once('exit', exiting);
    replay();
    try {
      const [sdk, outbox] = await Promise.all([import('./sdk.ts'), import('./outbox.ts')]);
      start(sdk, outbox);
    } catch (thrown) {
      waiting = undefined;
      log('error', `spans cannot be made: ${asError(thrown).message}`, { code: 'LOSSLESS_EXPORT_FAILED' });
    }
    return loaded;
  };

  /** Sends what the spool holds, now and again until it is empty. */
  const replay = (): void => {
    again?.cancel();
    again = undefined;
    replaying ??= replayOnce().finally(() => {
      replaying = undefined;
    });
  };

  const replayLater = (): void => {
    if (!ending.signal.aborted) again ??= clock.after(REPLAY_EVERY_MS, replay);
  };

  /** A shutdown that was undone needs no last will once its root is where the others are; one that was not is closed soon. */
  const handOver = async (): Promise<void> => {
    await (await loading)?.outbox.settled();
    if (!ending.signal.aborted) await will.drop();
  };

  const replayOnce = async (): Promise<void> => {
    try {
      const {
        sent,
        waiting: left,
        reason,
      } = await replaySpool({
        spool,
        collector,
        clock,
        log,
        signal: ending.signal,
      });
      if (sent > 0) log('info', `${sent} spooled files were sent${reason ? `; ${left} wait: ${reason}` : ''}`);
      if (left > 0) replayLater();
    } catch (thrown) {
      // Nobody waits for this, and what is wrong with the spool is no end of the service.
      log('warn', asError(thrown).message, { code: 'LOSSLESS_EXPORT_FAILED' });
    }
  };

  return {
    sink: (record) => {
      if (record.kind !== 'started' && record.kind !== 'ended') return;
      will.take(record);
      if (loaded !== undefined) take(loaded, record);
      else if (waiting !== undefined && waiting.length < MOST_WAITING) waiting.push(record);
      loading ??= load();
      if (record.kind === 'ended' && record.work === 'offline') void handOver();
    },
    get delivery() {
      return loaded?.outbox.delivery ?? NOTHING;
    },
    spooled: () => spool.usage(),
    async shutdown(withinMs) {
      ending.abort();
      again?.cancel();
      const { outbox } = (await loading) ?? {};
      await Promise.all([outbox?.close(withinMs), replaying]);
      await will.drop();
      return outbox?.delivery ?? NOTHING;
    },
  };
}

function take({ recorder, outbox }: Loaded, record: LifecycleRecord): void {
  recorder.record(record);
  if (record.kind === 'ended' && record.work.endsWith('.started')) outbox.flush();
}
