import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import type { Decoded } from '../../../src/registry/entry-reader.ts';
import { openRegistry } from '../../../src/registry/open.ts';
import type { Instance } from '../../../src/registry/registry.ts';
import { decodeEntry as decodeNode } from '../../../src/registry/zookeeper/entry.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';
import { useServer } from '../../support/use-server.ts';

/** An instance as somebody else has listed it. */
interface Odd {
  readonly host: unknown;
  readonly port?: unknown;
  readonly labels?: unknown;
}

interface Read {
  readonly listed: readonly ReturnType<typeof shown>[];
  /** The log lines. */
  readonly told: readonly string[];
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** The list of a registry at `urlOf(port)` that answers every call with `answer`. */
async function readFrom(urlOf: (port: number) => string, answer: object): Promise<Read> {
  const server = createServer((_, response) => void response.end(JSON.stringify(answer)));
  return read(urlOf(await useServer(server)));
}

async function read(url: string): Promise<Read> {
  const told: string[] = [];
  const log = (_: string, message: string): void => void told.push(message);
  const registry = await openRegistry(new URL(url), { clock: systemClock, log });
  closing.push(() => registry.close());
  await registry.instances('shop');
  return { listed: (await registry.instances('shop')).map(shown), told };
}

function shown({ host, port, scheme, metadata, endpoints }: Instance) {
  const grpc = endpoints?.find(({ protocol }) => protocol === 'grpc');
  return { address: `${host}:${port}`, scheme, labels: metadata, grpc: grpc?.port };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const portOf = ({ port = 6_000 }: Odd): unknown => port;

/** The foreign entries of each registry, and the instances that the plugin reads from them. */
const REGISTRIES: Readonly<Record<string, (odd: readonly Odd[]) => Promise<Read>>> = {
  nacos: (odd) =>
    readFrom((port) => `nacos://127.0.0.1:${port}?push=false`, {
      code: 0,
      data: odd.map((each) => ({ ip: each.host, port: portOf(each), healthy: true, weight: 1, metadata: each.labels })),
    }),
  consul: (odd) =>
    readFrom(
      (port) => `consul://127.0.0.1:${port}`,
      odd.map((each, n) => ({
        Node: { Node: 'n', Address: '' },
        Service: { ID: `s${n}`, Service: 'shop', Address: each.host, Port: portOf(each), Meta: each.labels },
      })),
    ),
  eureka: (odd) =>
    readFrom((port) => `eureka://127.0.0.1:${port}/eureka`, {
      application: {
        name: 'SHOP',
        instance: odd.map((each, n) => ({
          instanceId: `i${n}`,
          hostName: each.host,
          status: 'UP',
          port: { $: portOf(each), '@enabled': 'true' },
          metadata: each.labels,
        })),
      },
    }),
  etcd: (odd) =>
    readFrom((port) => `etcd://127.0.0.1:${port}`, {
      header: { revision: '1' },
      kvs: odd.map((each, n) => ({
        key: base64(`/microservices/shop/${n}`),
        value: base64(
          JSON.stringify({
            name: 'shop',
            nodes: [{ id: `n${n}`, address: `${String(each.host)}:${String(portOf(each))}`, metadata: each.labels }],
          }),
        ),
      })),
    }),
  kubernetes: (odd) =>
    readFrom((port) => `kubernetes://127.0.0.1:${port}?tls=false&namespace=n&token=t`, {
      metadata: { resourceVersion: '1' },
      items: odd.map((each, n) => ({
        metadata: { name: `s${n}` },
        ports: [{ name: 'http', port: portOf(each) }],
        endpoints: [{ addresses: [each.host], targetRef: { name: `pod-${n}`, uid: `u${n}` } }],
      })),
    }),
  zookeeper: async (odd) => {
    const told: string[] = [];
    const listed = odd.flatMap((each, n): readonly Decoded[] => {
      const payload = { metadata: each.labels };
      const entry = {
        name: 'shop',
        id: `i${n}`,
        address: each.host,
        port: portOf(each),
        serviceType: 'DYNAMIC',
        payload,
      };
      try {
        return decodeNode(JSON.stringify(entry), 'shop');
      } catch (thrown) {
        told.push((thrown as Error).message);
        return [];
      }
    });
    return {
      told,
      listed: listed.flatMap((each) => (each === undefined || each instanceof Error ? [] : [shown(each)])),
    };
  },
  file: async (odd) => {
    const root = useScratchFolder();
    mkdirSync(join(root, 'shop'));
    for (const [n, each] of odd.entries()) {
      const instanceId = `i${n}`;
      const instance = {
        service: 'shop',
        instanceId,
        generation: 0,
        host: each.host,
        port: portOf(each),
        scheme: 'http',
      };
      const entry = {
        pid: process.pid,
        started: 0,
        instance: { ...instance, weight: 1, registeredAt: 0, metadata: each.labels },
      };
      const name = createHash('sha256').update(instanceId).digest('hex').slice(0, 40);
      writeFileSync(join(root, 'shop', `${name}.json`), JSON.stringify(entry));
    }
    return read(pathToFileURL(root).href);
  },
};

const GOOD: Odd = { host: '127.0.0.1', port: 7_000, labels: { zone: 'a' } };

describe.each(Object.keys(REGISTRIES))('%s', (name) => {
  const list = (...odd: Odd[]) => (REGISTRIES[name] as (typeof REGISTRIES)[string])(odd);
  const addresses = ({ listed }: Read): readonly string[] => listed.map(({ address }) => address);

  test.each([
    ['[::1]', '::1'],
    [' 127.0.0.2 ', '127.0.0.2'],
    ['127.0.0.2\n', '127.0.0.2'],
    ['::1%lo', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
  ])('the address %j is used as %s', async (host, expected) => {
    // The text of an address with its port is a URL to go-micro: there an IPv6 address stands in brackets.
    const odd = name === 'etcd' && !host.startsWith('[') ? host.replace(/^(.*:.*?)(%.*)?$/, '[$1]') : host;
    const found = await list(GOOD, { host: odd });
    expect(addresses(found)).toEqual(expect.arrayContaining(['127.0.0.1:7000', `${expected}:6000`]));
    expect(found.told).toEqual([]);
  });

  test.each([
    'http://127.0.0.2',
    '127.0.0.2/path',
    '127.0.0.2:80:90',
    '127.0\n.0.2 x',
    '169.254.169.254',
    '0.0.0.0',
    'a b',
    '256.0.0.1',
  ])('the address %j is skipped with one line, and the good one is used', async (host) => {
    const found = await list(GOOD, { host });
    expect(addresses(found)).toEqual(['127.0.0.1:7000']);
    expect(found.told).toHaveLength(1);
    expect(found.told[0]).not.toContain('\n');
  });

  test('odd labels stay as they are', async () => {
    const labels = { none: null, count: 2, flag: true, list: [1], zone: 'b' };
    const { listed, told } = await list({ ...GOOD, labels });
    expect(told).toEqual([]);
    if (name === 'kubernetes') return;
    expect(listed[0]?.labels).toMatchObject({ count: '2', flag: 'true', zone: 'b' });
    expect(Object.keys(listed[0]?.labels ?? {})).not.toContain('none');
  });

  test.each([null, [], 'text', 7])('labels that are %j count as none', async (labels) => {
    expect(addresses(await list({ ...GOOD, labels }))).toEqual(['127.0.0.1:7000']);
  });

  test('a port as text is read; an invalid port is skipped', async () => {
    expect(addresses(await list({ ...GOOD, port: '7000' }))).toEqual(['127.0.0.1:7000']);
    for (const port of [70_000, 'x', -1, 1.5])
      expect(addresses(await list(GOOD, { host: '127.0.0.2', port }))).toEqual(['127.0.0.1:7000']);
  });

  test.skipIf(['kubernetes', 'file'].includes(name)).each([
    [{ protocol: 'dubbo' }, undefined, undefined],
    [{ protocol: 'grpc' }, 'http', 7_000],
    [{ protocol: 'grpc', secure: 'true' }, 'https', 7_000],
    [{ gRPC_port: '7000' }, 'http', 7_000],
    [{ gRPC_port: '9090' }, 'http', 9_090],
    [{ gRPC_port: '70000' }, 'http', undefined],
    [{ protocol: 'http' }, 'http', undefined],
    [{ protocol: 'https' }, 'https', undefined],
    [{ protocol: 'of our own' }, 'http', undefined],
  ])('of an instance with the labels %j the port is called with %s, and gRPC at %s', async (labels, scheme, grpc) => {
    const { listed, told } = await list({ ...GOOD, labels });
    expect(listed[0]?.scheme).toBe(scheme);
    expect(listed[0]?.grpc).toBe(grpc);
    expect(told).toEqual([]);
  });
});
