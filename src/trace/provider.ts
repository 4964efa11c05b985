import { asError } from '../errors.ts';
import type { Timer } from '../lifecycle/clock.ts';
import type { LifecycleRecord } from '../lifecycle/records.ts';
import { CollectorClient } from './collector-client.ts';
import type { Outbox } from './outbox.ts';
import { replaySpool } from './replay.ts';
import type { Recorder } from './sdk.ts';
import { Spool } from './spool.ts';
import type { Delivery, Tracing, TracingOptions } from './tracing.ts';

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
  const spool = new Spool(options.spoolDir, options.clock, options.log);
  const collector = new CollectorClient(options.target, options.clock);
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
    try {
      loaded?.outbox.closeNow();
    } catch {
      // Nobody is left to tell.
    }
  };

  const start = (sdk: typeof import('./sdk.ts'), { Outbox: Box }: typeof import('./outbox.ts')): void => {
    if (loaded !== undefined) return;
    const outbox = new Box({
      clock: options.clock,
      send: (body, signal) => collector.send(body, signal),
      failure: () => collector.failure,
      spool,
      serialize: sdk.serialize,
      kept: replayLater,
      log: options.log,
    });
    const recorder = new sdk.Recorder({
      identity: options.identity,
      resource: options.resource,
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
      options.log('error', `spans cannot be made: ${asError(thrown).message}`, { code: 'LOSSLESS_EXPORT_FAILED' });
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
    if (!ending.signal.aborted) again ??= options.clock.after(REPLAY_EVERY_MS, replay);
  };

  const replayOnce = async (): Promise<void> => {
    try {
      const { log } = options;
      const { sent, waiting: left, reason } = await replaySpool({ spool, collector, log, signal: ending.signal });
      if (sent > 0) log('info', `${sent} spooled files were sent${reason ? `; ${left} wait: ${reason}` : ''}`);
      if (left > 0) replayLater();
    } catch (thrown) {
      // Nobody waits for this, and what is wrong with the spool is no end of the service.
      options.log('warn', asError(thrown).message, { code: 'LOSSLESS_EXPORT_FAILED' });
    }
  };

  return {
    sink: (record) => {
      if (record.kind !== 'started' && record.kind !== 'ended') return;
      if (loaded !== undefined) return take(loaded, record);
      if (waiting !== undefined && waiting.length < MOST_WAITING) waiting.push(record);
      loading ??= load();
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
      return outbox?.delivery ?? NOTHING;
    },
  };
}

function take({ recorder, outbox }: Loaded, record: LifecycleRecord): void {
  recorder.record(record);
  if (record.kind === 'ended' && record.work.endsWith('.started')) outbox.flush();
}
