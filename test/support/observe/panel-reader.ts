import type { Prometheus, Sample } from '../servers/prometheus.ts';
import { generatedDashboards, interpolate, type Panel, type Target, type Values } from './grafana.ts';
import { askJaeger } from './grafana-jaeger.ts';
import { rowsOf, transform } from './grafana-transform.ts';

export type Numbers = Readonly<Record<string, number>>;
export type Row = Readonly<Record<string, unknown>>;

/** Panels of metrics from the instances' own `/metrics`; only a test with such instances reads them. */
export const OF_INSTANCES =
  /^instances: |^starts: (Weight of warming|Share of the requests)|^telemetry: (Spooled|Spans of instances|Instances that vanished)/;

/** `$__rate_interval`, in seconds: four scrapes of half a second. */
const RATE_INTERVAL = 2;

/** `$__interval`, in seconds: between two points of a curve. */
const STEP = 1;

/** A value of a curve, and its time in milliseconds since the Unix epoch. */
export type Point = readonly [at: number, value: number];

/** A mark of an annotation. */
export interface Mark {
  readonly at: number;
  readonly title: string;
  readonly text: string;
  readonly tags: readonly string[];
}

/** Where panels get their data, and for which time. */
export interface Reading {
  readonly prometheus: Prometheus;
  readonly jaegerUrl: string;
  /** Chosen values of `$service`. */
  readonly services: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly from: number;
  readonly to: number;
}

/** Reads what panels of the generated dashboards show, as Grafana does. */
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
      __interval: `${STEP}s`,
      service: `(${services.join('|')})`,
      instance: '.+',
    };
  }

  /** Panels of all dashboards that were not read, as `dashboard: title`. */
  get unasked(): readonly string[] {
    return [...this.#dashboards]
      .flatMap(([name, { panels }]) => panels.map(({ title }) => `${name}: ${title}`))
      .filter((panel) => !this.#asked.has(panel));
  }

  /** The values of a variable to choose from. */
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

  /** The value of each query of a panel at the end of the time, by legend. */
  async numbers(dashboard: string, title: string): Promise<Numbers> {
    const { prometheus, to } = this.#reading;
    const answers = await Promise.all(
      this.#panel(dashboard, title).targets.map(async (target) => {
        const samples = await prometheus.query(interpolate(target.expr ?? '', this.#values), to / 1_000);
        return samples.map(({ labels, value }) => [legend(target, labels), value] as const);
      }),
    );
    return Object.fromEntries(answers.flat());
  }

  /** The curves of a panel by legend: a value for each second of the time. */
  async curves(dashboard: string, title: string): Promise<Readonly<Record<string, readonly Point[]>>> {
    const { prometheus, from, to } = this.#reading;
    const answers = await Promise.all(
      this.#panel(dashboard, title).targets.map(async (target) => {
        const expr = interpolate(target.expr ?? '', this.#values);
        const curves = await prometheus.drawn(expr, Math.floor(from / 1_000), Math.ceil(to / 1_000), STEP);
        return curves.map(({ labels, points }) => [legend(target, labels), points] as const);
      }),
    );
    return Object.fromEntries(answers.flat());
  }

  /** The marks of an annotation, with times in milliseconds since the Unix epoch. */
  async marks(dashboard: string, name: string): Promise<readonly Mark[]> {
    const { prometheus, from, to } = this.#reading;
    const found = this.#dashboards.get(dashboard)?.annotations.list?.find((each) => each.name === name);
    if (found?.useValueForTime !== true) throw new Error(`no mark ${name}`);
    const expr = interpolate(found.expr ?? '', this.#values);
    const curves = await prometheus.drawn(expr, Math.floor(from / 1_000), Math.ceil(to / 1_000), STEP);
    return curves.flatMap(({ labels, points }) =>
      points.map(([, at]) => ({
        at,
        title: filled(found.titleFormat, labels),
        text: filled(found.textFormat, labels),
        tags: (found.tagKeys ?? '').split(',').map((key) => labels[key] ?? ''),
      })),
    );
  }

  /** The sum of each curve of a panel. */
  async sums(dashboard: string, title: string): Promise<Numbers> {
    const curves = await this.curves(dashboard, title);
    return Object.fromEntries(
      Object.entries(curves).map(([name, points]) => [name, points.reduce((sum, [, value]) => sum + value, 0)]),
    );
  }

  /** The rows of a table of Prometheus' answers; rows with the same labels are merged. */
  async table(dashboard: string, title: string): Promise<readonly Row[]> {
    const { targets, transformations } = this.#panel(dashboard, title);
    const rows = new Map<string, Record<string, unknown>>();
    for (const { refId, expr } of targets)
      for (const { labels, value } of await this.#reading.prometheus.query(
        interpolate(expr ?? '', this.#values),
        this.#reading.to / 1_000,
      )) {
        const key = JSON.stringify(Object.entries(labels).sort());
        rows.set(key, { ...(rows.get(key) ?? labels), [`Value #${refId}`]: value });
      }
    const all = [...rows.values()];
    const names = [...new Set(all.flatMap((row) => Object.keys(row)))];
    return rowsOf(transform([new Map(names.map((name) => [name, all.map((row) => row[name])]))], transformations));
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
  return filled(legendFormat, labels);
}

function filled(format: string | undefined, labels: Sample['labels']): string {
  return (format ?? '').replace(/\{\{(\w+)\}\}/g, (_, name: string) => labels[name] ?? '');
}
