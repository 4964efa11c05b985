import { asError } from '../errors.ts';
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
  let waiting: LifecycleRecord[] = [];

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
      spool,
      serialize: sdk.serialize,
      log: options.log,
    });
    const recorder = new sdk.Recorder({
      identity: options.identity,
      resource: options.resource,
      finished: (span) => outbox.put(span),
    });
    loaded = { recorder, outbox };
    for (const record of waiting) take(loaded, record);
    waiting = [];
  };

  const load = async (): Promise<Loaded | undefined> => {
    process.once('exit', exiting);
    try {
      const [sdk, outbox] = await Promise.all([import('./sdk.ts'), import('./outbox.ts')]);
      start(sdk, outbox);
    } catch (thrown) {
      options.log('error', `spans cannot be made: ${asError(thrown).message}`, { code: 'LOSSLESS_EXPORT_FAILED' });
    }
    return loaded;
  };

  const replay = async (): Promise<void> => {
    if ((await spool.size()) === 0) return;
    const { sent, waiting: left, reason } = await replaySpool({ spool, collector, log: options.log });
    if (sent > 0) options.log('info', `${sent} spooled files were sent${reason ? `; ${left} wait: ${reason}` : ''}`);
    if (left > 0) options.clock.after(REPLAY_EVERY_MS, () => void replay());
  };

  return {
    sink: (record) => {
      if (record.kind !== 'started' && record.kind !== 'ended') return;
      if (loaded !== undefined) return take(loaded, record);
      if (waiting.length < MOST_WAITING) waiting.push(record);
      loading ??= load();
    },
    get delivery() {
      return loaded?.outbox.delivery ?? NOTHING;
    },
    spooled: () => spool.usage(),
    replay: () => void replay().catch(() => {}),
    async shutdown(withinMs) {
      const { outbox } = (await loading) ?? {};
      await outbox?.close(withinMs);
      return outbox?.delivery ?? NOTHING;
    },
  };
}

function take({ recorder, outbox }: Loaded, record: LifecycleRecord): void {
  recorder.record(record);
  if (record.kind === 'ended' && record.work.endsWith('.started')) outbox.flush();
}
