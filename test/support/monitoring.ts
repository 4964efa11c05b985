import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/** An alert as Alertmanager holds it. */
export interface HeldAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly generatorURL: string;
  readonly startsAt: string;
}

/** Why the tests with a real Prometheus are skipped; false when they run. */
export function monitoringMissing(): string | false {
  if (process.env['LOSSLESS_REQUIRE_SERVERS']) return false;
  try {
    for (const command of ['prometheus', 'prometheus-alertmanager'])
      execFileSync(command, ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'no Prometheus: install the packages prometheus and prometheus-alertmanager';
  }
}

/** A Prometheus with our rules that tells an Alertmanager. */
export class Monitoring {
  readonly url: string;
  readonly #alertmanagerUrl: string;
  readonly #directory: string;
  readonly #children: readonly Child[];

  constructor(url: string, alertmanagerUrl: string, directory: string, children: readonly Child[]) {
    this.url = url;
    this.#alertmanagerUrl = alertmanagerUrl;
    this.#directory = directory;
    this.#children = children;
  }

  /** Scrapes the span metrics at `target` and, by their files, what is added later to `directory`. */
  static async start(target: string, { scrape, evaluation }: Intervals): Promise<Monitoring> {
    const directory = mkdtempSync(join(tmpdir(), 'lossless-monitoring-'));
    const [port, alertmanagerPort] = [await freePort(), await freePort()];
    const { host, pathname } = new URL(target);
    writeJson(join(directory, 'alertmanager.yaml'), {
      route: { receiver: 'nobody', group_by: ['alertname', 'service_name'], group_wait: '0s' },
      receivers: [{ name: 'nobody' }],
    });
    writeJson(join(directory, 'prometheus.yaml'), {
      global: { scrape_interval: scrape, evaluation_interval: evaluation },
      rule_files: [RULES],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanagerPort}`] }] }] },
      scrape_configs: [
        {
          job_name: 'lossless-spans',
          honor_labels: true,
          metrics_path: pathname,
          static_configs: [{ targets: [host] }],
        },
      ],
    });
    const children = [
      new Child('prometheus-alertmanager', [
        `--config.file=${join(directory, 'alertmanager.yaml')}`,
        `--storage.path=${join(directory, 'alertmanager')}`,
        `--web.listen-address=127.0.0.1:${alertmanagerPort}`,
        '--cluster.listen-address=',
      ]),
      new Child('prometheus', [
        `--config.file=${join(directory, 'prometheus.yaml')}`,
        `--storage.tsdb.path=${join(directory, 'prometheus')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        `--web.external-url=http://127.0.0.1:${port}/`,
        '--enable-feature=exemplar-storage',
      ]),
    ];
    const started = new Monitoring(
      `http://127.0.0.1:${port}`,
      `http://127.0.0.1:${alertmanagerPort}`,
      directory,
      children,
    );
    await until(() => isReady(`${started.#alertmanagerUrl}/-/ready`));
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

  /** What Alertmanager holds now. */
  async alerts(): Promise<readonly HeldAlert[]> {
    const response = await fetch(`${this.#alertmanagerUrl}/api/v2/alerts`);
    return (await response.json()) as HeldAlert[];
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.destroy()));
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
