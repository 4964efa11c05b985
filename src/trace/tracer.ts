import { asError } from '../errors.ts';
import type { LifecycleRecord } from '../lifecycle/records.ts';
import { resourceOf } from './attributes.ts';
import { Exporter } from './exporter.ts';
import { otlpBody, spansOf } from './otlp-body.ts';
import type { FinishedSpan, Recorder } from './sdk.ts';
import type { Tracing, TracingOptions } from './tracing.ts';
import { WillKeeper } from './will-keeper.ts';

/** Most records kept while the SDK loads. */
const MOST_WAITING = 50_000;

type Sdk = typeof import('./sdk.ts');

/** Makes the spans of this process. The first piece of work loads the SDK. */
export function createTracing(options: TracingOptions): Tracing {
  const { clock, identity, log, resource } = options;
  let sdk: Sdk | undefined;
  const exporter = new Exporter<FinishedSpan>({ ...options, serialize: (spans) => sdk?.serialize(spans) ?? '' });
  const will = new WillKeeper({ spool: exporter.spool, clock, identity, resource });
  let loading: Promise<void> | undefined;
  let recorder: Recorder | undefined;
  /** Undefined once the SDK is loaded or has failed to load. */
  let waiting: LifecycleRecord[] | undefined = [];

  /** Spools the spans of waiting records without the SDK. */
  const spoolUnmade = (): void => {
    const spans = spansOf(waiting ?? [], identity());
    if (spans.length > 0) exporter.spool.putNow(otlpBody(resourceOf(identity(), resource), spans));
  };

  const load = async (): Promise<void> => {
    exporter.open(spoolUnmade, () => will.closeNow());
    try {
      sdk = await import('./sdk.ts');
      recorder = new sdk.Recorder({ identity, resource, finished: (span) => exporter.put(span) });
      for (const record of waiting ?? []) take(recorder, record);
    } catch (thrown) {
      log('error', `spans cannot be made: ${asError(thrown).message}`, { code: 'LOSSLESS_EXPORT_FAILED' });
    }
    waiting = undefined;
  };

  const take = (by: Recorder, record: LifecycleRecord): void => {
    by.record(record);
    if (record.kind === 'ended' && record.work.endsWith('.started')) exporter.flush();
  };

  /** Drops the last will of an undone shutdown once its root is sent, spooled or lost. `shutdown` drops that of any other. */
  const handOver = async (): Promise<void> => {
    await loading;
    await exporter.settled();
    if (!exporter.isEnding) await will.drop();
  };

  return {
    sink: (record) => {
      if (record.kind !== 'started' && record.kind !== 'ended') return;
      will.take(record);
      if (recorder !== undefined) take(recorder, record);
      else if (waiting !== undefined && waiting.length < MOST_WAITING) waiting.push(record);
      loading ??= load();
      if (record.kind === 'ended' && record.work === 'offline') void handOver();
    },
    get delivery() {
      return exporter.delivery;
    },
    spooled: () => exporter.spool.usage(),
    async shutdown(withinMs) {
      exporter.end();
      await loading;
      await exporter.shutdown(withinMs);
      await will.drop();
      return exporter.delivery;
    },
  };
}
