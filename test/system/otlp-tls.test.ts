import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { useClosing } from '../support/closing.ts';
import { Child } from '../support/process/child.ts';
import { useWorld } from '../support/process/world.ts';
import { freePort, serverMissing, serverProgram } from '../support/servers/built.ts';
import { ready } from '../support/servers/ready.ts';
import { Authority } from '../support/tls/authority.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const missing = serverMissing('collector');
if (missing) console.warn(`skipped: ${missing}`);

describe.skipIf(missing)('a real OpenTelemetry Collector that speaks TLS', () => {
  const world = useWorld();
  const run = useClosing();
  const directory = useScratchFolder();
  let ours: string;
  let theirs: string;
  beforeAll(() => {
    ours = new Authority(join(directory, 'ca')).issue(join(directory, 'ours'));
    theirs = new Authority(join(directory, 'other-ca')).issue(join(directory, 'theirs'));
  });

  /** The URL of a collector that requires a certificate of `ours` and forwards to the collector of the world. */
  async function collector(): Promise<string> {
    const [port, health] = await Promise.all([freePort(), freePort()]);
    const tls = {
      cert_file: join(ours, 'tls.crt'),
      key_file: join(ours, 'tls.key'),
      client_ca_file: join(ours, 'ca.crt'),
    };
    const config = {
      extensions: { health_check: { endpoint: `127.0.0.1:${health}` } },
      receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}`, tls } } } },
      exporters: { otlp_http: { endpoint: world().collector.otlpUrl } },
      service: {
        extensions: ['health_check'],
        telemetry: { metrics: { level: 'none' } },
        pipelines: {
          traces: { receivers: ['otlp'], exporters: ['otlp_http'] },
          metrics: { receivers: ['otlp'], exporters: ['otlp_http'] },
        },
      },
    };
    const file = join(directory, `${port}.yaml`);
    writeFileSync(file, stringify(config));
    const child = new Child(serverProgram('collector'), ['--config', file]);
    await run(Promise.resolve({ close: () => child.destroy() }));
    await ready(child, `http://127.0.0.1:${health}/`);
    return `https://127.0.0.1:${port}`;
  }

  /** Variables of a sender with the certificate in `folder`. */
  const showing = (folder: string): Readonly<Record<string, string>> => ({
    OTEL_EXPORTER_OTLP_CERTIFICATE: join(ours, 'ca.crt'),
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: join(folder, 'tls.crt'),
    OTEL_EXPORTER_OTLP_CLIENT_KEY: join(folder, 'tls.key'),
  });

  test.each([
    ['http/protobuf', 'gzip'],
    ['http/protobuf', 'none'],
    ['http/json', 'gzip'],
  ])('takes %s with %s from a client with a certificate: spans and metrics', async (protocol, compression) => {
    const endpoint = await collector();
    const provider = await world().service('provider', {
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_COMPRESSION: compression,
        ...showing(ours),
      },
    });
    await world().leave(provider);
    expect((await world().trace(provider)).verdict).toMatchObject({ whole: true, result: 'success' });
    expect(provider.child.stderr).toMatch(/"metrics":\{"exported":[1-9]\d*,"spooled":0,"lost":0\}/);
    expect(provider.child.stderr).not.toContain('LOSSLESS_EXPORT_FAILED');
  });

  test('takes nothing from a client with a foreign certificate, or none', async () => {
    const endpoint = await collector();
    for (const env of [showing(theirs), { OTEL_EXPORTER_OTLP_CERTIFICATE: join(ours, 'ca.crt') }]) {
      const provider = await world().service('provider', { env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...env } });
      await world().leave(provider);
      expect(provider.child.stderr).toContain('spans could not be sent and are spooled');
    }
  });
});
