import type { Prometheus, Sample } from '../servers/prometheus.ts';
import { generatedDashboards, interpolate, type Panel, type Target, type Values } from './grafana.ts';
import { askJaeger } from './grafana-jaeger.ts';
import { rowsOf, transform } from './grafana-transform.ts';

export type Numbers = Readonly<Record<string, number>>;
export type Row = Readonly<Record<string, unknown>>;

/** Panels of the metrics that instances show themselves, which are asked with such instances. */
export const OF_INSTANCES =
  /^instances: |^starts: (Weight of warming|Share of the requests)|^telemetry: (Spooled|Spans of instances|Instances that vanished)/;

/** `$__rate_interval`, in seconds: four scrapes of half a second. */
const RATE_INTERVAL = 2;

/** Where panels are asked, and for which time. */
export interface Reading {
  readonly prometheus: Prometheus;
  readonly jaegerUrl: string;
  /** What is chosen for `$service`. */
  readonly services: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly from: number;
  readonly to: number;
}

/** Asks panels of the generated dashboards what they show, as Grafana does. */
export class PanelReader {
  readonly #dashboards = generatedDashboards();
  readonly #asked = new Set<string>();
  readonly #reading: Reading;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  get #values(): Values {
    const { services, from, to } = this.#reading;
    return {
      __range: `${Math.ceil((to - from) / 1_000)}s`,
      __rate_interval: `${RATE_INTERVAL}s`,
      service: `(${services.join('|')})`,
      instance: '.+',
    };
  }

  /** Panels of all dashboards that nobody has asked, as `dashboard: title`. */
  get unasked(): readonly string[] {
    return [...this.#dashboards]
      .flatMap(([name, { panels }]) => panels.map(({ title }) => `${name}: ${title}`))
      .filter((panel) => !this.#asked.has(panel));
  }

  /** What a variable lets choose from. */
  async choices(dashboard: string, variable: string): Promise<readonly string[]> {
    const query = this.#dashboards.get(dashboard)?.templating.list.find(({ name }) => name === variable)?.query ?? '';
    const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? [];
    const { url } = this.#reading.prometheus;
    const response = await fetch(
      `${url}/api/v1/label/${label}/values?${new URLSearchParams({ 'match[]': interpolate(selector, this.#values) })}`,
    );
    return ((await response.json()) as { readonly data: readonly string[] }).data;
  }

  /** Every series of a panel's only query, at the end of the time or `now`. */
  async series(dashboard: string, title: string, now?: 'now'): Promise<readonly Sample[]> {
    const { expr } = this.#only(dashboard, title);
    const at = now === undefined ? this.#reading.to : Date.now();
    return this.#reading.prometheus.query(interpolate(expr ?? '', this.#values), at / 1_000);
  }

  /** The same by their legends. */
  async numbers(dashboard: string, title: string): Promise<Numbers> {
    const target = this.#only(dashboard, title);
    const samples = await this.series(dashboard, title);
    return Object.fromEntries(samples.map(({ labels, value }) => [legend(target, labels), value]));
  }

  /** How much each curve of a panel adds up to. */
  async sums(dashboard: string, title: string): Promise<Numbers> {
    const target = this.#only(dashboard, title);
    const { prometheus, from, to } = this.#reading;
    const step = RATE_INTERVAL / 4;
    const expr = interpolate(target.expr ?? '', this.#values);
    const curves = await prometheus.queryRange(expr, from / 1_000, to / 1_000 + RATE_INTERVAL, step);
    return Object.fromEntries(
      curves.map(({ labels, values }) => [
        legend(target, labels),
        Math.round((values.reduce((sum, value) => sum + value, 0) * step) / RATE_INTERVAL),
      ]),
    );
  }

  /** The rows of a table or a chart of traces. */
  async rows(dashboard: string, title: string, more: Values): Promise<readonly Row[]> {
    const { targets, transformations } = this.#panel(dashboard, title);
    const values = { ...this.#values, ...more };
    const frames = await Promise.all(
      targets.map((target) => askJaeger(this.#reading.jaegerUrl, target, values, this.#reading)),
    );
    return rowsOf(transform(frames, transformations));
  }

  #only(dashboard: string, title: string): Target {
    const [target, ...others] = this.#panel(dashboard, title).targets;
    if (target === undefined || others.length > 0) throw new Error(`${title} has not one query`);
    return target;
  }

  #panel(dashboard: string, title: string): Panel {
    this.#asked.add(`${dashboard}: ${title}`);
    const found = this.#dashboards.get(dashboard)?.panels.find((each) => each.title === title);
    if (found === undefined) throw new Error(`no panel ${title}`);
    return found;
  }
}

function legend({ legendFormat }: Target, labels: Sample['labels']): string {
  return (legendFormat ?? '').replace(/\{\{(\w+)\}\}/g, (_, name: string) => labels[name] ?? '');
}
