import { JaegerClient } from '../../src/cli/jaeger-client.ts';
import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import { until } from '../support/until.ts';

/** What the trace of a shutdown says. */
export interface Told {
  /** Result of its trace; `missing` without one. */
  readonly result: string;
  /** Why the hold time had to pass, by the trace. */
  readonly held: string;
  /** Requests that were served during the offline, by the trace. */
  readonly served: number;
}

/** The results in the traces of a service, by process id, once `count` traces have arrived. */
export async function toldOf(queryUrl: string, service: string, count: number): Promise<ReadonlyMap<number, Told>> {
  const jaeger = new JaegerClient(new URL(queryUrl));
  const find = () => jaeger.search({ service, operation: spanName('offline'), limit: count + 1 });
  await until(async () => (await find()).length >= count, 5_000).catch(() => {});
  const told = (await find()).map(({ spans }) => {
    const tag = (name: string) => spans.map(({ tags }) => tags[name]).find((value) => value !== undefined);
    const [, pid = '0'] = String(tag(ATTR.instanceId)).split(':');
    const one = {
      result: String(tag(ATTR.offlineResult)),
      held: String(tag(ATTR.holdReason) ?? ''),
      served: Number(tag(ATTR.served) ?? 0),
    };
    return [Number(pid), one] as const;
  });
  return new Map(told);
}
