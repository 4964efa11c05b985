import { spanName } from '../../trace/model/schema.ts';
import type { Trace } from '../../trace/model/trace.ts';
import { assess, type Verdict } from '../../trace/model/verdict.ts';
import type { JaegerClient } from '../jaeger-client.ts';

/** Longest wait for the last trace to be whole, in milliseconds: a start lasts until the registry lists the instance. */
const PATIENCE_MS = 60_000;

/** Most traces that are read of one service. */
const MOST = 1_000;

/** Every shutdown and every start of a set. */
export interface FleetTraces {
  readonly shutdowns: readonly Trace[];
  readonly starts: readonly Verdict[];
}

/** The expected numbers. */
export interface Expected {
  readonly shutdowns: number;
  readonly starts: number;
}

/** The traces since `begun`; waits until all are found and whole, or clearly never will be. */
export async function fleetTraces(client: JaegerClient, begun: number, expected: Expected): Promise<FleetTraces> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const [shutdowns, onlines] = await Promise.all([
      find(client, begun, spanName('offline.started')),
      find(client, begun, spanName('online.started')),
    ]);
    const starts = onlines.map(assess);
    const isThere = shutdowns.length >= expected.shutdowns && shutdowns.every((trace) => assess(trace).whole);
    const isStarted = starts.length >= expected.starts && starts.every(({ whole }) => whole);
    if ((isThere && isStarted) || performance.now() > until) return { shutdowns, starts };
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function find(client: JaegerClient, since: number, operation: string): Promise<readonly Trace[]> {
  const services = (await client.services()).filter(
    (service) => service === 'gateway' || service.startsWith('service-'),
  );
  const found = await Promise.all(services.map((service) => client.search({ service, operation, since, limit: MOST })));
  return found.flat().sort((a, b) => (a.spans[0]?.start ?? 0) - (b.spans[0]?.start ?? 0));
}
