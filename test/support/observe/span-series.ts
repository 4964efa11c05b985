import type { Firing, RuleCase } from '../servers/promtool.ts';

type Labels = Readonly<Record<string, string>>;

/** The counter of one kind of span, in promtool's notation. */
export function calls(span: string, service: string, more: Labels = {}): string {
  return series('traces_span_metrics_calls_total', { span_name: `lossless.${span}`, service_name: service, ...more });
}

/** GoAways from one service to another with this result. */
export function goaway(service: string, consumer: string, result: string): string {
  return calls('goaway', service, { service_peer_name: consumer, lossless_goaway_result: result });
}

/** Shutdowns that began, with a deadline in this minute. */
export function began(service: string, due: number): string {
  return calls('offline.started', service, { lossless_offline_due: twelfth(due) });
}

/** Shutdowns that ended with this result, with a deadline in this minute. */
export function ended(service: string, result: string, due: number, more: Labels = {}): string {
  return calls('offline', service, {
    lossless_offline_result: result,
    lossless_requests_after_ack: '0',
    lossless_offline_due: twelfth(due),
    ...more,
  });
}

/** A scraped instance. */
export function instance(service: string, address: string, more: Labels = {}): string {
  return series('lossless_info', { service_name: service, instance: address, ...more });
}

export function warning(alertname: string, service: string): Firing {
  return { alertname, severity: 'warning', service_name: service };
}

export function critical(alertname: string, service: string): Firing {
  return { ...warning(alertname, service), severity: 'critical' };
}

export function incomplete(service: string, consumer: string): Firing {
  return { ...warning('LosslessFanOutIncomplete', service), service_peer_name: consumer };
}

/** No alert fires from one minute to another. */
export function quiet(from: number, to: number): RuleCase['firing'] {
  return Object.fromEntries(Array.from({ length: to - from + 1 }, (_, n) => [from + n, []]));
}

function twelfth(minute: number): string {
  return String(Math.floor(minute / 5) % 12);
}

function series(name: string, labels: Labels): string {
  return `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}="${value}"`)
    .join(',')}}`;
}

/** A shutdown, in minutes from the begin of a case. */
export interface Shutdown {
  readonly begins: number;
  /** End of its grace period. Default: half a minute later. */
  readonly deadline?: number;
  /** Default: half a minute after its begin; `never` when it was killed. */
  readonly ends?: number | 'never';
}

/** The counters of the begins and the ends of shutdowns, over `minutes`. No scrape sees the 0 of a new series. */
export function shutdownSeries(
  service: string,
  shutdowns: readonly Shutdown[],
  minutes: number,
): Readonly<Record<string, string>> {
  const events: [name: string, at: number][] = shutdowns.flatMap(
    ({ begins, deadline = begins + 0.5, ends = begins + 0.5 }) => [
      [began(service, deadline), begins] as [string, number],
      ...(ends === 'never' ? [] : [[ended(service, 'success', deadline), ends] as [string, number]]),
    ],
  );
  const names = [...new Set(events.map(([name]) => name))];
  return Object.fromEntries(
    names.map((name) => {
      const times = events.filter(([each]) => each === name).map(([, at]) => at);
      const values = Array.from({ length: minutes * 4 }, (_, n) => times.filter((at) => at <= n / 4).length);
      return [name, values.map((count) => (count === 0 ? '_' : count)).join(' ')];
    }),
  );
}
