import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadOptions, UNNAMED } from '../../../src/config/options.ts';
import { VARIABLES, type VariableName } from '../../../src/config/variables.ts';
import { BAD } from '../../support/bad-values.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const directory = useScratchFolder();
const hostile = join(directory, 'hostile');

/** The same for the standard ones that have a rule; OpenTelemetry wants their default then. */
const BAD_STANDARD: Readonly<Partial<Record<VariableName, string>>> = {
  OTEL_SERVICE_NAME: 'has blanks',
  OTEL_RESOURCE_ATTRIBUTES: 'a\nb',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'grpc://collector',
  OTEL_EXPORTER_OTLP_HEADERS: 'a\nb',
  OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd',
  OTEL_EXPORTER_OTLP_TIMEOUT: '10s',
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'a\nb',
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'zstd',
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '0',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http',
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http',
  OTEL_EXPORTER_OTLP_CERTIFICATE: 'a\nb',
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: 'a\nb',
  OTEL_EXPORTER_OTLP_CLIENT_KEY: 'a\nb',
  OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: 'a\nb',
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: 'a\nb',
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: 'a\nb',
  OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'grpc://collector',
  OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'a\nb',
  OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: 'zstd',
  OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: '0',
  OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http',
  OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: 'a\nb',
  OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE: 'a\nb',
  OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY: 'a\nb',
  OTEL_METRICS_EXPORTER: 'x'.repeat(257),
  OTEL_SDK_DISABLED: 'maybe',
  OTEL_TRACES_EXPORTER: 'x'.repeat(257),
  TRACEPARENT: 'x'.repeat(257),
};

const SECRET = 'a secret of the fleet';

describe('the environment', () => {
  test('without any variable every option has its default', () => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a' });
    expect(problems).toEqual([]);
    expect(options).toMatchObject({
      enabled: false,
      service: 'a',
      controlPort: 54_199,
      gracePeriodMs: 30_000,
      holdMs: 10_000,
      warmupMs: 120_000,
      jaegerUrl: 'http://127.0.0.1:16686',
    });
    expect(options?.traces.endpoint.href).toBe('http://127.0.0.1:4318/v1/traces');
  });

  test.each([
    [{}, false],
    [{ LOSSLESS_SERVICE: 'a' }, true],
    [{ OTEL_SERVICE_NAME: 'a' }, true],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'service.name=a' }, true],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'service.name=not a name' }, false],
  ])('whether %j names the service: %s', (raw, isSet) => {
    expect(loadOptions(raw).options).toMatchObject({ serviceIsSet: isSet, ...(isSet && { service: 'a' }) });
  });

  test('a configured control port, and one in a pod, is fixed', () => {
    expect(loadOptions({ LOSSLESS_CONTROL_PORT: ' ' }).options).toMatchObject({ controlPortIsFixed: false });
    expect(loadOptions({ LOSSLESS_CONTROL_PORT: '54199' }).options).toMatchObject({ controlPortIsFixed: true });
    expect(loadOptions({ KUBERNETES_SERVICE_HOST: '192.0.2.1' }).options).toMatchObject({ controlPortIsFixed: true });
  });

  test.each([
    ['sigterm, SIGHUP,SIGTERM', ['SIGTERM', 'SIGHUP']],
    ['SIGQUIT', ['SIGQUIT']],
  ])('LOSSLESS_SIGNALS=%s is accepted', (LOSSLESS_SIGNALS, signals) => {
    expect(loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_SIGNALS }).options?.signals).toEqual(signals);
  });

  test.each([',', 'SIGKILL', 'TERM', 'SIGTERM SIGINT'])('LOSSLESS_SIGNALS=%s is refused', (LOSSLESS_SIGNALS) => {
    const [problem] = loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_SIGNALS }).problems;
    expect(problem).toMatchObject({ fatal: true });
    expect(problem?.message).toContain('one of SIGTERM, SIGINT, SIGHUP, SIGQUIT');
  });

  test('every variable has a bad value here', () => {
    expect(Object.keys({ ...BAD, ...BAD_STANDARD }).toSorted()).toEqual(Object.keys(VARIABLES).toSorted());
  });

  test.each(Object.entries(BAD_STANDARD))('%s=%s gives one clear line, and the default applies', (name, value) => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', [name]: value });
    expect(options).toEqual(loadOptions({ LOSSLESS_SERVICE: 'a' }).options);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(new RegExp(`^${name} must be`));
    expect(problems[0]?.message).not.toContain('\n');
  });

  test('a whole number is read within its bounds and nowhere else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.integer({ min: -10, max: 70_000 })), (port) => {
        const { options } = loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_CONTROL_PORT: String(port) });
        expect(options?.controlPort).toBe(port >= 0 && port <= 65_535 ? port : undefined);
      }),
    );
  });

  test.each(['0x10', '1e3', '+5', '5.0', '', ' ', '٣'])(
    '%j is refused as a whole number, or counts as unset',
    (text) => {
      const { options } = loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_CONTROL_PORT: text });
      expect(options?.controlPort).toBe(text.trim() === '' ? 54_199 : undefined);
    },
  );

  test.each([
    ['192.0.2.1', { host: '192.0.2.1' }],
    ['pod.svc:8080', { host: 'pod.svc', port: 8080 }],
    ['[2001:db8::1]:80', { host: '2001:db8::1', port: 80 }],
    ['[::1]', { host: '::1' }],
    ['2001:db8::1', undefined],
    ['[:::]:80', undefined],
    ['host:0', undefined],
    ['http://host', undefined],
  ])('LOSSLESS_ADVERTISE=%s is read or refused', (text, expected) => {
    expect(loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_ADVERTISE: text }).options?.advertise).toEqual(expected);
  });

  test.each(Object.entries(BAD))('%s=%s gives one clear line and no options', (name, value) => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', [name]: value });
    expect(options).toBeUndefined();
    expect(problems.filter((problem) => problem.fatal)).toHaveLength(1);
    expect(problems[0]?.message).toMatch(new RegExp(`^${name} must be`));
    expect(problems[0]?.message).not.toContain('\n');
  });

  test.each([
    ['LOSSLESS_SECRET', 'hunter2'.repeat(200)],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'authorization=\nhunter2'],
    ['LOSSLESS_REGISTRY', 'redis://user:hunter2@host'],
    ['LOSSLESS_REGISTRY', 'redis://user:with@and/hunter2@host'],
    ['LOSSLESS_REGISTRY', `redis://user:hunter2${'x'.repeat(100)}@host`],
    ['LOSSLESS_REGISTRY', 'redis://host?token=hunter2'],
    ['LOSSLESS_REGISTRY', 'user:hunter2@host'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'grpc://hunter2@host'],
    ['LOSSLESS_HUNTER', 'hunter2'],
  ])('the message about %s=%s never repeats the secret', (name, value) => {
    const { problems } = loadOptions({ LOSSLESS_SERVICE: 'a', [name]: value });
    expect(problems).toHaveLength(1);
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

  test('a misspelt name gives one warning, with the likely name', () => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_GRACE_PERIOD: '1' });
    expect(options).toBeDefined();
    expect(problems.map((problem) => problem.message)).toEqual([
      'LOSSLESS_GRACE_PERIOD is not a variable of lossless-lifecycle; did you mean LOSSLESS_GRACE_PERIOD_MS?',
    ]);
  });

  test('the secret can be in a file', () => {
    const path = join(directory, 'secret');
    const raw = { LOSSLESS_SERVICE: 'a', LOSSLESS_SECRET_FILE: path };
    writeFileSync(path, `${SECRET}\n`);
    expect(loadOptions(raw).options).toMatchObject({ secrets: [SECRET], secretFile: path });
    writeFileSync(path, `${SECRET}\r\n\n another ${SECRET} \r\n`);
    expect(loadOptions(raw).options).toMatchObject({ secrets: [SECRET, `another ${SECRET}`] });
    expect(loadOptions({ ...raw, LOSSLESS_SECRET: SECRET }).options).toBeUndefined();
  });

  test.each([
    [SECRET, [SECRET]],
    [`${SECRET}\nanother ${SECRET}`, [SECRET, `another ${SECRET}`]],
    ['0123456789abcdef', ['0123456789abcdef']],
  ])('LOSSLESS_SECRET=%j is read', (text, expected) => {
    expect(loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_SECRET: text }).options?.secrets).toEqual(expected);
  });

  test.each([
    ['LOSSLESS_SECRET', ''],
    ['LOSSLESS_SECRET', ' \n'],
    ['LOSSLESS_SECRET', '0123456789abcde'],
    ['LOSSLESS_SECRET', `${SECRET}\nshort`],
    ['LOSSLESS_SECRET', `${SECRET}\n${SECRET}\n${SECRET}`],
    ['LOSSLESS_SECRET', `${SECRET}\u0000`],
    ['LOSSLESS_SECRET_FILE', ''],
    ['LOSSLESS_TLS_DIR', ''],
  ])('a mistake never switches protection off: %s=%j', (name, value) => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', [name]: value });
    expect(options).toBeUndefined();
    expect(problems.filter(({ fatal }) => fatal).map(({ message }) => message)).toEqual([
      expect.stringMatching(`^${name} must be`),
    ]);
  });

  test('a TLS directory has its three files', () => {
    const tls = join(directory, 'tls');
    mkdirSync(tls, { recursive: true });
    const raw = { LOSSLESS_SERVICE: 'a', LOSSLESS_TLS_DIR: tls, LOSSLESS_TLS_NAME: 'control.fleet' };
    for (const file of ['tls.crt', 'tls.key', 'ca.crt']) {
      expect(loadOptions(raw).problems.map(({ message }) => message)).toEqual([
        expect.stringMatching(/^LOSSLESS_TLS_DIR must be a directory with tls.crt, tls.key, ca.crt: ENOENT/),
      ]);
      writeFileSync(join(tls, file), '');
    }
    expect(loadOptions(raw).options?.tls).toEqual({ directory: tls, name: 'control.fleet', clientAuth: false });
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_TLS_CLIENT_AUTH: 'true' });
    expect(options).toBeUndefined();
    expect(problems[0]?.message).toContain('LOSSLESS_TLS_DIR is not set');
  });

  test.each([
    ['empty', () => writeFileSync(hostile, '\n')],
    ['too short', () => writeFileSync(hostile, 'hunter2\n')],
    ['of more than two lines', () => writeFileSync(hostile, `${'hunter2hunter2hunter2\n'.repeat(3)}`)],
    ['too long', () => writeFileSync(hostile, 'hunter2'.repeat(10_000))],
    ['a device', () => symlinkSync('/dev/zero', hostile)],
    ['a pipe without a writer', () => execFileSync('mkfifo', [hostile])],
    ['a directory', () => mkdirSync(hostile)],
  ])('a secret file that is %s gives one clear line', (_, make) => {
    rmSync(hostile, { recursive: true, force: true });
    make();
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', LOSSLESS_SECRET_FILE: hostile });
    expect(options).toBeUndefined();
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(/^LOSSLESS_SECRET_FILE must be/);
    expect(problems[0]?.message).not.toContain('hunter2');
  });

  test.each([
    [{ LOSSLESS_SERVICE: 'a', OTEL_SERVICE_NAME: 'b', OTEL_RESOURCE_ATTRIBUTES: 'service.name=c' }, 'a'],
    [{ OTEL_SERVICE_NAME: 'b', OTEL_RESOURCE_ATTRIBUTES: 'service.name=c' }, 'b'],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'k=v,service.name=c' }, 'c'],
  ])('the variables %j name the service', (raw, expected) => {
    expect(loadOptions(raw).options?.service).toBe(expected);
  });

  test.each([
    [
      'that of the nearest package.json',
      { 'package.json': '{"name":"outer"}', 'app/package.json': '{"name":"inner"}' },
      'inner',
    ],
    ['that without its scope', { 'app/package.json': '{"name":"@scope/inner"}' }, 'inner'],
    [
      'that of the next package.json, when the nearest has no name',
      { 'package.json': '{"name":"outer"}', 'app/package.json': '{"type":"module"}' },
      'outer',
    ],
    [
      'that of the next package.json, when the nearest is broken',
      { 'package.json': '{"name":"outer"}', 'app/package.json': '{' },
      'outer',
    ],
    ['the default, when the name in package.json is invalid', { 'app/package.json': '{"name":"not a name"}' }, UNNAMED],
  ])('the name of the service is %s', (_, files, expected) => {
    const program = mkdtempSync(join(directory, 'program-'));
    mkdirSync(join(program, 'app'));
    for (const [name, content] of Object.entries(files)) writeFileSync(join(program, name), content);
    writeFileSync(join(program, 'app/main.js'), '');
    const started = process.argv[1] as string;
    process.argv[1] = join(program, 'app/main.js');
    try {
      expect(loadOptions({}).options?.service).toBe(expected);
    } finally {
      process.argv[1] = started;
    }
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
    expect(options?.resource).toMatchObject({ 'k8s.pod.name': 'pod/1' });
    expect(options?.jaegerUrl).toBe('http://collector:16686');
  });

  test.each([
    ['otlp', false, 0],
    ['otlp,console', false, 0],
    ['OTLP', false, 0],
    ['none', true, 0],
    ['None', true, 0],
    ['none,otlp', false, 0],
    ['console', false, 1],
    ['zipkin,console', false, 1],
  ])('OTEL_TRACES_EXPORTER=%s switches spans on or off', (exporter, isNone, said) => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', OTEL_TRACES_EXPORTER: exporter });
    expect(options?.exported.traces).toBe(!isNone);
    expect(problems.filter(({ message }) => message.includes('shutdown traces go by OTLP'))).toHaveLength(said);
    expect(problems).toHaveLength(said);
  });

  test.each([
    [{}, true],
    [{ OTEL_METRICS_EXPORTER: 'none' }, false],
    [{ OTEL_SDK_DISABLED: 'true' }, false],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://b:1' }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://b:1' }, false],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://b:1', OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://c:1' }, true],
  ])('whether the plugin sends metrics of an offline: %j', (environment, areSent) => {
    expect(loadOptions({ LOSSLESS_SERVICE: 'a', ...environment }).options?.exported.metrics).toBe(areSent);
  });

  test('spans do not go by gRPC: a warning says so, and names the conventional port of gRPC', () => {
    const { options, problems } = loadOptions({ LOSSLESS_SERVICE: 'a', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' });
    expect(options).toBeDefined();
    expect(problems).toMatchObject([{ fatal: false, message: expect.stringContaining('4318') }]);
  });

  test('a variable for traces goes before the variable for every signal', () => {
    const { options } = loadOptions({
      LOSSLESS_SERVICE: 'a',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://other:1/x',
      OTEL_EXPORTER_OTLP_HEADERS: 'tenant=1,zone=a',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'tenant=2',
      OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: 'none',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '7',
      OTEL_EXPORTER_OTLP_CERTIFICATE: '/ca.pem',
      OTEL_EXPORTER_OTLP_CLIENT_KEY: '/key.pem',
      OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: '/traces-key.pem',
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'tenant=3',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    });
    expect(options?.metrics).toEqual({
      signal: 'metrics',
      protocol: 'http/protobuf',
      endpoint: new URL('http://collector:4318/v1/metrics'),
      headers: { tenant: '3', zone: 'a' },
      compression: 'gzip',
      timeoutMs: 10_000,
      tls: { ca: '/ca.pem', key: '/key.pem' },
    });
    expect(options?.traces).toEqual({
      signal: 'traces',
      protocol: 'http/json',
      endpoint: new URL('http://other:1/x'),
      headers: { tenant: '2', zone: 'a' },
      compression: 'none',
      timeoutMs: 7,
      tls: { ca: '/ca.pem', key: '/traces-key.pem' },
    });
  });

  test('the zone is one of the labels of the registration', () => {
    const { options, problems } = loadOptions({
      LOSSLESS_SERVICE: 'a',
      LOSSLESS_ZONE: 'eu-1',
      LOSSLESS_METADATA: 'version=2,zone=other,broken',
    });
    expect(options).toMatchObject({ zone: 'eu-1', metadata: { version: '2', zone: 'eu-1' } });
    expect(problems).toMatchObject([{ fatal: false, message: expect.stringContaining('LOSSLESS_METADATA') }]);
    expect(loadOptions({ LOSSLESS_SERVICE: 'a' }).options?.metadata).toEqual({});
  });

  test('what the platform tells about itself', () => {
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
