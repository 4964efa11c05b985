import { interpolate, type Target, type Values } from './grafana.ts';

/** A table: its columns, each with as many values as there are rows. */
export type Frame = ReadonlyMap<string, readonly unknown[]>;

interface Trace {
  readonly traceID: string;
  readonly spans: readonly {
    readonly spanID: string;
    readonly operationName: string;
    readonly processID: string;
    readonly startTime: number;
    readonly duration: number;
    readonly tags: readonly object[];
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/**
 * Asks Jaeger as Grafana's data source does for a target, and makes the same table: for a search one row for each trace, for one
 * trace one row for each span. Times are in milliseconds.
 */
export async function askJaeger(
  base: string,
  target: Target,
  values: Values,
  range: { readonly from: number; readonly to: number },
): Promise<Frame> {
  if (target.queryType === 'search') {
    const query = new URLSearchParams({
      service: interpolate(target.service ?? '', values),
      operation: interpolate(target.operation ?? '', values),
      ...(target.tags !== undefined && { tags: JSON.stringify(logfmt(interpolate(target.tags, values))) }),
      limit: String(target.limit),
      start: String(range.from * 1_000),
      end: String(range.to * 1_000),
    });
    return searchFrame(await read(`${base}/api/traces?${query}`));
  }
  const traces = await read(`${base}/api/traces/${encodeURIComponent(interpolate(target.query ?? '', values))}`);
  return traceFrame(traces[0]);
}

async function read(url: string): Promise<readonly Trace[]> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { data: readonly Trace[] }).data;
}

function logfmt(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(text.split(' ').map((pair) => pair.split('=') as [string, string]));
}

function searchFrame(traces: readonly Trace[]): Frame {
  const start = (trace: Trace): number => Math.min(...trace.spans.map((span) => span.startTime));
  return new Map<string, readonly unknown[]>([
    ['traceID', traces.map(({ traceID }) => traceID)],
    ['startTime', traces.map((trace) => start(trace) / 1_000)],
  ]);
}

function traceFrame(trace: Trace | undefined): Frame {
  const spans = trace?.spans ?? [];
  return new Map<string, readonly unknown[]>([
    ['spanID', spans.map(({ spanID }) => spanID)],
    ['operationName', spans.map(({ operationName }) => operationName)],
    ['serviceName', spans.map(({ processID }) => trace?.processes[processID]?.serviceName)],
    ['startTime', spans.map(({ startTime }) => startTime / 1_000)],
    ['duration', spans.map(({ duration }) => duration / 1_000)],
    ['tags', spans.map(({ tags }) => tags)],
  ]);
}
