import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, serverProgram } from './built.ts';
import { Child, until } from './child.ts';
import { RULES } from './promtool.ts';

/** How often things happen; durations as Prometheus writes them. */
export interface Intervals {
  readonly scrape: string;
  readonly evaluation: string;
}

/** One sample of an instant query. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A curve of a range query. */
export interface Curve {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** A Prometheus with our rules. */
export class Monitoring {
  readonly url: string;
  readonly #directory: string;
  readonly #child: Child;

  constructor(url: string, directory: string, child: Child) {
    this.url = url;
    this.#directory = directory;
    this.#child = child;
  }

  /** Scrapes the span metrics at `target`. */
  static async start(target: string, { scrape, evaluation }: Intervals): Promise<Monitoring> {
    const directory = mkdtempSync(join(tmpdir(), 'lossless-monitoring-'));
    const port = await freePort();
    const { host, pathname } = new URL(target);
    writeJson(join(directory, 'prometheus.yaml'), {
      global: { scrape_interval: scrape, evaluation_interval: evaluation },
      rule_files: [RULES],
      scrape_configs: [
        {
          job_name: 'lossless-spans',
          honor_labels: true,
          metrics_path: pathname,
          static_configs: [{ targets: [host] }],
        },
      ],
    });
    const child = new Child(join(serverProgram('prometheus'), 'usr/bin/prometheus'), [
      `--config.file=${join(directory, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(directory, 'prometheus')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]);
    const started = new Monitoring(`http://127.0.0.1:${port}`, directory, child);
    await until(() => isReady(`${started.url}/-/ready`));
    return started;
  }

  /** @param at seconds since the Unix epoch */
  async ask(expr: string, at: number): Promise<readonly Sample[]> {
    const result = await this.#read<{ metric: Sample['labels']; value: [number, string] }>('query', {
      query: expr,
      time: String(at),
    });
    return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }

  /** Times in seconds. */
  async askRange(expr: string, from: number, to: number, step: number): Promise<readonly Curve[]> {
    const result = await this.#read<{ metric: Curve['labels']; values: [number, string][] }>('query_range', {
      query: expr,
      start: String(from),
      end: String(to),
      step: String(step),
    });
    return result.map(({ metric, values }) => ({ labels: metric, values: values.map(([, value]) => Number(value)) }));
  }

  async close(): Promise<void> {
    await this.#child.destroy();
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async #read<R>(path: string, query: Readonly<Record<string, string>>): Promise<readonly R[]> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(query)}`);
    const answer = (await response.json()) as { error?: string; data: { result: R[] } };
    if (!response.ok) throw new Error(`${query['query']}: ${answer.error}`);
    return answer.data.result;
  }
}

async function isReady(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

function writeJson(file: string, content: object): void {
  writeFileSync(file, JSON.stringify(content));
}
