import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { until } from '../until.ts';
import { freePort, serverProgram } from './built.ts';
import { ready } from './ready.ts';

const root = resolve(import.meta.dirname, '../../..');
const CONFIG = 'collector/prometheus/prometheus.yml';

export interface PrometheusOptions {
  /** URLs of scraped span metrics. */
  readonly metricsUrls: readonly string[];
  /** URLs of scraped metrics of instances. */
  readonly instanceUrls?: readonly string[];
  /** URL of an Alertmanager. */
  readonly alertmanagerUrl?: string;
  /** URL of the Jaeger to which links of alerts lead. Default: the URL in the configuration. */
  readonly jaegerUrl?: string;
  /** Time between scrapes and between evaluations of the rules, in Prometheus' notation. Default: those of the configuration. */
  readonly scrapeInterval?: string;
  readonly evaluationInterval?: string;
}

/** One series of an answer. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One series of an answer over a time. */
export interface Curve {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** One stored series. */
export interface Stored {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly (readonly [at: number, value: number])[];
}

/** An answer over a time, as received. */
interface Matrix {
  readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>;
    readonly values: readonly [number, string][];
  }[];
}

/** A program of Prometheus. */
export function prometheusProgram(name: 'prometheus' | 'promtool'): string {
  return join(serverProgram('prometheus'), name);
}

/** A Prometheus with the project's configuration and alert rules, on a free port, its data in a folder of its own. It starts in about 6 s, the first scrape included. */
export class Prometheus {
  readonly url: string;
  readonly #child: Child;
  readonly #directory: ScratchFolder;

  private constructor(url: string, child: Child, directory: ScratchFolder) {
    this.url = url;
    this.#child = child;
    this.#directory = directory;
  }

  static async start(options: PrometheusOptions): Promise<Prometheus> {
    const directory = new ScratchFolder();
    const address = `127.0.0.1:${await freePort()}`;
    const child = new Child(prometheusProgram('prometheus'), [
      `--config.file=${configure(directory.path, address, options)}`,
      `--storage.tsdb.path=${join(directory.path, 'data')}`,
      `--web.listen-address=${address}`,
      `--web.user-assets=${join(root, 'docs/runbooks')}`,
      '--enable-feature=exemplar-storage',
      '--web.enable-otlp-receiver',
    ]);
    const prometheus = new Prometheus(`http://${address}`, child, directory);
    try {
      await ready(child, `${prometheus.url}/-/ready`);
      await until(() => prometheus.#knows(options));
    } catch (thrown) {
      await prometheus.close();
      throw thrown;
    }
    return prometheus;
  }

  /** For OTEL_EXPORTER_OTLP_METRICS_ENDPOINT. */
  get otlpUrl(): string {
    return `${this.url}/api/v1/otlp/v1/metrics`;
  }

  /** Scrapes these instances instead of the earlier ones; resolves once all were scraped. @param urls of their metrics */
  async scrape(urls: readonly string[]): Promise<void> {
    writeTargets(this.#directory.path, 'instances', urls);
    const hosts = urls.map((url) => new URL(url).host);
    await until(async () => {
      const up = await this.query('up{job="lossless-instances"} == 1');
      return hosts.every((host) => up.some(({ labels }) => labels['instance'] === host));
    });
  }

  /** An instant query, by default of now. @param at seconds since the Unix epoch */
  async query(expression: string, at: number = Date.now() / 1_000): Promise<readonly Sample[]> {
    const { result } = (await this.#get('query', { query: expression, time: `${at}` })) as {
      readonly result: readonly {
        readonly metric: Readonly<Record<string, string>>;
        readonly value: [number, string];
      }[];
    };
    return result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
  }

  /** A query at every `step` seconds; times in seconds since the Unix epoch. */
  async queryRange(expression: string, start: number, end: number, step: number): Promise<readonly Curve[]> {
    const range = { start: `${start}`, end: `${end}`, step: `${step}` };
    const { result } = (await this.#get('query_range', { query: expression, ...range })) as Matrix;
    return result.map(({ metric, values }) => ({ labels: metric, values: values.map(([, value]) => Number(value)) }));
  }

  /** The same with the time of each value, in milliseconds since the Unix epoch. */
  async drawn(expression: string, start: number, end: number, step: number): Promise<readonly Stored[]> {
    const range = { start: `${start}`, end: `${end}`, step: `${step}` };
    const { result } = (await this.#get('query_range', { query: expression, ...range })) as Matrix;
    return result.map(({ metric, values }) => storedOf(metric, values));
  }

  /** The stored points of a selector, with times in milliseconds since the Unix epoch. @param range in Prometheus' notation */
  async points(selector: string, range = '1d'): Promise<readonly Stored[]> {
    const { result } = (await this.#get('query', { query: `${selector}[${range}]` })) as Matrix;
    return result.map(({ metric, values }) => storedOf(metric, values));
  }

  /** The alerts that are pending or firing: their labels and their state. */
  async alerts(): Promise<readonly { readonly labels: Readonly<Record<string, string>>; readonly state: string }[]> {
    const { alerts } = (await this.#get('alerts')) as { readonly alerts: Awaited<ReturnType<Prometheus['alerts']>> };
    return alerts;
  }

  /** Labels of the exemplars of a selector in the last minutes: `trace_id`, `span_id`. */
  async exemplars(selector: string): Promise<readonly Readonly<Record<string, string>>[]> {
    const [start, end] = [Date.now() / 1_000 - 600, Date.now() / 1_000 + 1];
    const series = (await this.#get('query_exemplars', { query: selector, start: `${start}`, end: `${end}` })) as {
      readonly exemplars: readonly { readonly labels: Readonly<Record<string, string>> }[];
    }[];
    return series.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels));
  }

  /** Whether it knows all targets; it reads those in files 5 s after the start. */
  async #knows({ metricsUrls, instanceUrls = [], alertmanagerUrl }: PrometheusOptions): Promise<boolean> {
    const targets = (await this.#get('targets')) as { readonly activeTargets: readonly { readonly health: string }[] };
    const managers = (await this.#get('alertmanagers')) as { readonly activeAlertmanagers: readonly unknown[] };
    return (
      targets.activeTargets.filter(({ health }) => health === 'up').length ===
        metricsUrls.length + instanceUrls.length &&
      managers.activeAlertmanagers.length === (alertmanagerUrl === undefined ? 0 : 1)
    );
  }

  async #get(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { data, error } = (await response.json()) as { readonly data?: unknown; readonly error?: string };
    if (!response.ok) throw new Error(`${path}: ${response.status} ${error}`);
    return data;
  }

  async close(): Promise<void> {
    await this.#child.destroy();
    this.#directory.remove();
  }
}

function storedOf(labels: Stored['labels'], values: readonly [number, string][]): Stored {
  return { labels, points: values.map(([at, value]) => [Math.round(at * 1_000), Number(value)] as const) };
}

/** Copies the configuration and its rules to a folder, with these targets and links to this address; returns the path of the copy. */
function configure(directory: string, address: string, options: PrometheusOptions): string {
  const config = parse(readFileSync(join(root, CONFIG), 'utf8'));
  if (options.scrapeInterval) config.global.scrape_interval = options.scrapeInterval;
  if (options.evaluationInterval) config.global.evaluation_interval = options.evaluationInterval;
  const links = config.global.external_labels;
  links.lossless_runbooks_url = links.lossless_runbooks_url.replace('127.0.0.1:9090', address);
  if (options.jaegerUrl) links.lossless_jaeger_url = options.jaegerUrl;
  const file = join(directory, CONFIG);
  for (const path of config.rule_files) {
    const rules = resolve(dirname(join(root, CONFIG)), path);
    cpSync(rules, resolve(dirname(file), path), { recursive: true });
  }
  const targets = {
    'span-metrics': options.metricsUrls,
    instances: options.instanceUrls ?? [],
    alertmanager: options.alertmanagerUrl === undefined ? [] : [options.alertmanagerUrl],
  };
  for (const [name, urls] of Object.entries(targets)) writeTargets(directory, name, urls);
  writeFileSync(file, stringify(config));
  return file;
}

function writeTargets(directory: string, name: string, urls: readonly string[]): void {
  const folder = join(directory, dirname(CONFIG), 'targets');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.yml`), stringify(urls.map((url) => targetOf(new URL(url)))));
}

function targetOf({ host, pathname }: URL): object {
  return { targets: [host], ...(pathname !== '/' && { labels: { __metrics_path__: pathname } }) };
}
