import type { SpanIds, StartRecord, WorkRecord } from '../lifecycle/records.ts';
import type { Identity } from '../protocol/identity.ts';
import { resourceOf } from './attributes.ts';
import { Exporter } from './exporter.ts';
import { otlpBody, type PlainSpan, spanBetween } from './otlp-body.ts';
import type { Tracing, TracingOptions } from './tracing.ts';
import { WillKeeper } from './will-keeper.ts';

/** Unfinished work, and the identity of the process at its start. */
interface Open {
  readonly started: StartRecord;
  readonly identity: Identity;
}

/**
 * Makes the spans of this process. It samples always and touches no global, so that neither the application's sampler nor the
 * shutdown of its SDK reaches these spans.
 */
export function createTracing(options: TracingOptions): Tracing {
  const { clock, identity, resource } = options;
  const exporter = new Exporter<PlainSpan>({
    ...options,
    requestOf: (spans) => otlpBody(resourceOf(identity(), resource), spans),
  });
  const will = new WillKeeper({ spool: exporter.spool, clock, identity, resource });
  const open = new Map<SpanIds['spanId'], Open>();
  let isOpened = false;

  const take = (record: WorkRecord): void => {
    const { spanId } = record.ids;
    if (record.kind === 'started') {
      open.set(spanId, { started: record, identity: identity() });
      return;
    }
    const of = open.get(spanId);
    if (of === undefined) return;
    open.delete(spanId);
    exporter.put(spanBetween(of.started, record, of.identity));
    if (record.work === 'offline.started') exporter.flush();
    if (record.work === 'offline') void handOver();
  };

  /** Drops the last will of an undone shutdown once its root is sent, spooled or lost. `shutdown` drops that of any other. */
  const handOver = async (): Promise<void> => {
    await exporter.settled();
    if (!exporter.isEnding) await will.drop();
  };

  return {
    sink: (record) => {
      if (record.kind !== 'started' && record.kind !== 'ended') return;
      will.take(record);
      if (!isOpened) exporter.open(() => will.closeNow());
      isOpened = true;
      take(record);
    },
    get delivery() {
      return exporter.delivery;
    },
    spooled: () => exporter.spool.usage(),
    async shutdown(withinMs) {
      await exporter.shutdown(withinMs);
      await will.drop();
      return exporter.delivery;
    },
  };
}
