import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { METRIC_DIMENSIONS } from '../../collector/dimensions.ts';
import { Child, until } from './child.ts';

const module = fileURLToPath(new URL('../servers/jaeger', import.meta.url));

/** A Jaeger that runs. */
export interface Jaeger {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly otlpUrl: string;
  readonly queryUrl: string;
  /** Its span metrics, as Prometheus reads them. */
  readonly metricsUrl: string;
  close(): Promise<void>;
}

/** Where `scripts/build-servers.sh jaeger` puts it; undefined when it has not been built. */
function binary(): string | undefined {
  const hash = createHash('sha256')
    .update(readFileSync(join(module, 'go.mod')))
    .update(readFileSync(join(module, 'go.sum')));
  const cache =
    process.env['LOSSLESS_TEST_CACHE'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'lossless-lifecycle');
  const path = join(cache, 'bin', `jaeger-${hash.digest('hex').slice(0, 16)}`);
  return existsSync(path) ? path : undefined;
}

/**
 * Why the tests with a real Jaeger are skipped; false when they run. Under LOSSLESS_REQUIRE_SERVERS they never are: then
 * a missing server fails them.
 */
export function jaegerMissing(): string | false {
  if (process.env['LOSSLESS_TEST_JAEGER'] || process.env['LOSSLESS_REQUIRE_SERVERS'] || binary()) return false;
  return 'no Jaeger: build it with scripts/build-servers.sh jaeger, or name a running one with LOSSLESS_TEST_JAEGER=http://host:16686';
}

/** Starts Jaeger on free ports, or takes the one LOSSLESS_TEST_JAEGER names (its OTLP/HTTP port: LOSSLESS_TEST_JAEGER_OTLP, else 4318; the URL of its span metrics: LOSSLESS_TEST_JAEGER_METRICS, else `:8889/metrics`). */
export async function startJaeger(): Promise<Jaeger> {
  const running = process.env['LOSSLESS_TEST_JAEGER'];
  if (running) {
    const otlpUrl = process.env['LOSSLESS_TEST_JAEGER_OTLP'] ?? `http://${new URL(running).hostname}:4318`;
    const metricsUrl =
      process.env['LOSSLESS_TEST_JAEGER_METRICS'] ?? `http://${new URL(running).hostname}:8889/metrics`;
    return { otlpUrl, queryUrl: running.replace(/\/$/, ''), metricsUrl, close: async () => {} };
  }
  const command =
    binary() ??
    execFileSync(fileURLToPath(new URL('../../scripts/build-servers.sh', import.meta.url)), ['jaeger'], {
      encoding: 'utf8',
    }).trim();
  const [health, query, queryGrpc, otlp, metrics] = await Promise.all(Array.from({ length: 5 }, freePort));
  const child = new Child(command, ['--config', join(module, 'config.yaml')], {
    env: {
      HEALTH_PORT: `${health}`,
      QUERY_PORT: `${query}`,
      QUERY_GRPC_PORT: `${queryGrpc}`,
      OTLP_PORT: `${otlp}`,
      METRICS_PORT: `${metrics}`,
      DIMENSIONS: JSON.stringify(METRIC_DIMENSIONS.map((name) => ({ name }))),
    },
  });
  await until(() =>
    fetch(`http://127.0.0.1:${health}/status`).then(
      (response) => response.ok,
      () => false,
    ),
  );
  return {
    otlpUrl: `http://127.0.0.1:${otlp}`,
    queryUrl: `http://127.0.0.1:${query}`,
    metricsUrl: `http://127.0.0.1:${metrics}/metrics`,
    close: () => child.destroy(),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
