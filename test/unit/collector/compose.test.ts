import { existsSync, readFileSync, statSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { generatedDashboards } from '../../support/observe/grafana.ts';

const root = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(resolve(root, path), 'utf8');

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly ports?: readonly string[];
  readonly extra_hosts?: readonly string[];
}

const compose = parse(read('compose.yaml')) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly configs: Readonly<Record<string, { readonly content: string }>>;
  readonly volumes: object;
};
const services = Object.entries(compose.services);

/** What lies where in the container: paths of this repository, or names of volumes. */
function mounts({ volumes = [] }: Service): readonly { readonly source: string; readonly target: string }[] {
  return volumes.map((volume) => {
    const [source = '', target = ''] = volume.split(':');
    return { source, target };
  });
}

const isFile = (source: string): boolean => source.startsWith('./');

/** The YAML files that are mounted, with the variables of the service filled in as the collector does. */
function filled(service: Service): string {
  return mounts(service)
    .filter(({ source }) => isFile(source) && source.endsWith('.yaml'))
    .map(({ source }) =>
      read(source).replace(
        /\$\{env:(\w+)(?::-([^}]*))?\}/g,
        (_, name: string, otherwise = '') => service.environment?.[name] ?? otherwise,
      ),
    )
    .join('\n');
}

/** Ports of servers whose configuration does not name them. */
const OWN_PORTS: Readonly<Record<string, readonly string[]>> = {
  prometheus: ['9090'],
  alertmanager: ['9093'],
  grafana: ['3000'],
};

/** Ports that can be reached from outside of the container. */
function listensOn(name: string, service: Service): readonly string[] {
  return [
    ...(OWN_PORTS[name] ?? []),
    ...[...filled(service).matchAll(/"0\.0\.0\.0:(\d+)"/g)].map(([, port = '']) => port),
  ];
}

describe.each(services)('compose.yaml: %s', (name, service) => {
  test('has an image with a version', () => {
    expect(service.image).toMatch(/:v?\d+\.\d+\.\d+$/);
  });

  test('mounts files that exist and volumes that are declared', () => {
    const missing = mounts(service).filter(({ source }) =>
      isFile(source) ? !existsSync(resolve(root, source)) : !(source in compose.volumes),
    );
    expect(missing).toEqual([]);
    expect((service.configs ?? []).filter(({ source }) => !(source in compose.configs))).toEqual([]);
  });

  test('starts with files that are mounted', () => {
    const targets = mounts(service).map(({ target }) => target);
    const files = (service.command ?? []).flatMap((word) => /[^=]*\.ya?ml$/.exec(word)?.[0] ?? []);
    expect(files.filter((file) => !targets.includes(file))).toEqual([]);
  });

  test('keeps its data in its volume', () => {
    const volumes = mounts(service).filter(({ source }) => !isFile(source));
    for (const { target } of volumes) expect(`${filled(service)} ${service.command}`).toContain(target);
  });

  test('publishes ports on which it listens, on loopback only', () => {
    const published = (service.ports ?? []).map((port) => port.split(':'));
    expect(published.filter(([host]) => host !== '127.0.0.1')).toEqual([]);
    expect(published.filter(([, , inside = '']) => !listensOn(name, service).includes(inside))).toEqual([]);
    expect(published).not.toEqual([]);
  });

  test('gets only the variables that its files ask for', () => {
    const asked = mounts(service)
      .filter(({ source }) => isFile(source) && statSync(resolve(root, source)).isFile())
      .map(({ source }) => read(source))
      .join('\n');
    const told = Object.keys(service.environment ?? {}).filter((variable) => !variable.startsWith('GF_'));
    expect(told.filter((variable) => !new RegExp(`\\$(\\{env:)?${variable}\\b`).test(asked))).toEqual([]);
  });

  test('names others by addresses on which they listen', () => {
    const said = [
      ...Object.values(service.environment ?? {}),
      ...(service.configs ?? []).map(({ source }) => compose.configs[source]?.content ?? ''),
    ].join(' ');
    const addresses = [...said.matchAll(/(?<=\/\/|")([a-z][\w-]*):(\d+)/g)].map(([, host = '', port = '']) => ({
      host,
      port,
    }));
    for (const { host, port } of addresses) {
      const other = compose.services[host];
      expect(other, `a service ${host}`).toBeDefined();
      expect(other && listensOn(host, other)).toContain(port);
    }
    if (name !== 'jaeger' && name !== 'alertmanager') expect(addresses.length).toBeGreaterThan(0);
  });
});

test('services that name this machine can resolve its name on Linux too', () => {
  const name = 'host.docker.internal';
  const told = services.filter(([, { configs = [], environment = {} }]) =>
    JSON.stringify([environment, configs.map(({ source }) => compose.configs[source])]).includes(name),
  );
  expect(told.map(([service]) => service)).toEqual(['prometheus']);
  for (const [, { extra_hosts: hosts }] of told) expect(hosts).toContain(`${name}:host-gateway`);
});

test('Prometheus finds the files that its configuration names', () => {
  const service = compose.services['prometheus'] as Service;
  const config = parse(read('collector/prometheus/prometheus.yml'));
  const [, file = ''] = /--config\.file=(\S+)/.exec((service.command ?? []).join(' ')) ?? [];
  const named = [
    ...config.rule_files,
    ...[...config.scrape_configs, ...config.alerting.alertmanagers].flatMap(({ file_sd_configs: sources }) =>
      sources.flatMap(({ files }: { files: string[] }) => files),
    ),
  ].map((path: string) => posix.resolve(posix.dirname(file), path));
  const there = [...mounts(service), ...(service.configs ?? [])].map(({ target }) => target);
  expect(named).toHaveLength(4);
  expect(named.filter((path) => !there.includes(path))).toEqual([]);
});

test('Grafana has every dashboard, the data sources that they use, and what their files name', () => {
  const service = compose.services['grafana'] as Service;
  const { PROMETHEUS_URL, JAEGER_URL, DASHBOARDS_PATH } = service.environment ?? {};
  const dashboards = mounts(service).filter(({ target }) => target.startsWith(`${DASHBOARDS_PATH}/`));
  expect(dashboards.map(({ source }) => source).sort()).toEqual(
    [...generatedDashboards().keys()].map((name) => `./dashboards/generated/${name}.json`).sort(),
  );
  expect(dashboards.map(({ target }) => target)).toContain(
    service.environment?.['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'],
  );
  const { datasources } = parse(read('collector/grafana/datasources/lossless.yaml'));
  expect(datasources).toMatchObject([
    { uid: 'prometheus', type: 'prometheus', url: '$PROMETHEUS_URL' },
    { uid: 'jaeger', type: 'jaeger', url: '$JAEGER_URL' },
  ]);
  expect([PROMETHEUS_URL, JAEGER_URL]).toEqual(['http://prometheus:9090', 'http://jaeger:16686']);
});
