import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { loadOptions } from '../../../src/config/options.ts';
import { VARIABLES, type VariableName } from '../../../src/config/variables.ts';

const directory = mkdtempSync(join(tmpdir(), 'lossless-options-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A value that breaks the rule of each variable. */
const BAD: Readonly<Partial<Record<VariableName, string>>> = {
  LOSSLESS_ENABLED: 'maybe',
  LOSSLESS_SERVICE: 'has blanks',
  LOSSLESS_REGISTRY: 'ftp://x',
  LOSSLESS_ADVERTISE: 'host:99999',
  LOSSLESS_CONTROL_PORT: '65536',
  LOSSLESS_CONTROL_HOST: `a\u0007b`,
  LOSSLESS_SECRET: 'x'.repeat(1_025),
  LOSSLESS_SECRET_FILE: '/does/not/exist',
  LOSSLESS_GRACE_PERIOD_MS: '30s',
  LOSSLESS_QUIET_MS: '-1',
  LOSSLESS_HOLD_MS: '1e9',
  LOSSLESS_GOAWAY_TIMEOUT_MS: '0',
  LOSSLESS_GOAWAY_ATTEMPTS: '11',
  LOSSLESS_SERVICES: 'a,b c',
  LOSSLESS_WARMUP_MS: 'NaN',
  LOSSLESS_WARMUP_CURVE: '0.5',
  LOSSLESS_REGISTER_DELAY_MS: '1.5',
  LOSSLESS_PROBE: 'x'.repeat(3_000),
  LOSSLESS_READINESS: 'soon',
  LOSSLESS_SPOOL_DIR: 'a\nb',
  LOSSLESS_LOG_LEVEL: 'loud',
  LOSSLESS_STRICT: 'very',
  LOSSLESS_JAEGER_URL: 'jaeger',
};

describe('the environment', () => {
  test('nothing set: everything has its default', () => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a' });
    expect(problems).toEqual([]);
    expect(options).toMatchObject({
      enabled: false,
      service: 'a',
      controlPort: 54_199,
      gracePeriodMs: 30_000,
      quietMs: 300,
      holdMs: 10_000,
      warmupMs: 120_000,
      jaegerUrl: 'http://127.0.0.1:16686',
    });
    expect(options?.traces.endpoint.href).toBe('http://127.0.0.1:4318/v1/traces');
  });

  test('every variable of ours has a bad value here', () => {
    expect(Object.keys(BAD)).toEqual(
      Object.keys(VARIABLES)
        .filter((name) => name.startsWith('LOSSLESS_'))
        .toSorted((one, other) => Object.keys(BAD).indexOf(one) - Object.keys(BAD).indexOf(other)),
    );
  });

  test.each(Object.entries(BAD))('%s=%s is one clear line, and there are no options', (name, value) => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', [name]: value });
    expect(options).toBeUndefined();
    expect(problems.filter((problem) => problem.fatal)).toHaveLength(1);
    expect(problems[0]?.message).toMatch(new RegExp(`^${name} must be`));
    expect(problems[0]?.message).not.toContain('\n');
  });

  test('a secret is never repeated', () => {
    const { problems } = loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_SECRET: 'hunter2'.repeat(200) });
    expect(problems[0]?.message).not.toContain('hunter2');
  });

  test('hostile values never throw', () => {
    const names = Object.keys(VARIABLES);
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })),
        (raw) => void loadOptions(raw),
      ),
    );
  });

  test('a misspelt name is said, with the one that was meant', () => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_GRACE_PERIOD: '1' });
    expect(options).toBeDefined();
    expect(problems.map((problem) => problem.message)).toEqual([
      'LOSSLESS_GRACE_PERIOD is not a variable of lossless-lifecycle; did you mean LOSSLESS_GRACE_PERIOD_MS?',
    ]);
  });

  test('the secret can be in a file', () => {
    const path = join(directory, 'secret');
    writeFileSync(path, 'hunter2\n');
    expect(loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_SECRET_FILE: path }).options?.secret).toBe('hunter2');
    expect(
      loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_SECRET_FILE: path, LOSSLESS_SECRET: 'x' }).options,
    ).toBeUndefined();
    writeFileSync(path, '\n');
    expect(loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_SECRET_FILE: path }).options).toBeUndefined();
  });

  test.each([
    [{ LOSSLESS_SERVICE: 'a', OTEL_SERVICE_NAME: 'b', OTEL_RESOURCE_ATTRIBUTES: 'service.name=c' }, 'a'],
    [{ OTEL_SERVICE_NAME: 'b', OTEL_RESOURCE_ATTRIBUTES: 'service.name=c' }, 'b'],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'k=v,service.name=c' }, 'c'],
  ])('the name of the service: %j', (raw, expected) => {
    expect(loadOptions(raw).options?.service).toBe(expected);
  });

  test('standard variables of OpenTelemetry are honoured', () => {
    const { options } = loadOptions({
      LOSSLESS_SERVICE: 'a',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/base/',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x,tenant=1',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'none',
      OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
      OTEL_RESOURCE_ATTRIBUTES: 'k8s.pod.name=pod%2F1,broken',
    });
    expect(options?.traces).toMatchObject({
      headers: { authorization: 'Bearer x', tenant: '1' },
      compression: 'none',
      timeoutMs: 5_000,
    });
    expect(options?.traces.endpoint.href).toBe('http://collector:4318/base/v1/traces');
    expect(options?.resource).toEqual({ 'k8s.pod.name': 'pod/1' });
    expect(options?.jaegerUrl).toBe('http://collector:16686');
    const own = loadOptions({ LOSSLESS_SERVICE: 'a', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://other:1/x' }).options;
    expect(own?.traces.endpoint.href).toBe('http://other:1/x');
  });

  test('what the platform says of itself', () => {
    const { options } = loadOptions({
      LOSSLESS_SERVICE: 'a',
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
      pm_id: '3',
      kill_timeout: '5000',
    });
    expect(options).toMatchObject({
      terminationLog: '/dev/termination-log',
      processManager: { pm_id: '3', kill_timeout: '5000' },
    });
  });
});
