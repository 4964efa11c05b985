import { expect } from 'vitest';
import type { Instance, Registry } from '../../src/registry/registry.ts';
import { anInstance } from '../support/an-instance.ts';
import type { Child } from '../support/process/child.ts';
import type { useChildren } from '../support/process/use-children.ts';
import { serverProgram } from '../support/servers/built.ts';
import { until } from '../support/until.ts';

/** The fields that its registries pass on. */
interface KratosInstance {
  readonly id: string;
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly endpoints: readonly string[];
}

/** The endpoints of an instance with two, sorted. */
const GRPC_AND_HTTP = 'grpc://127.0.0.1:9090,http://127.0.0.1:8080';

/**
 * A service of kratos sees what is registered here come and go, and the other way round.
 *
 * @param kind name of the registry, as the client has it
 * @param server `host:port`
 */
export async function agreesWithKratos(
  children: ReturnType<typeof useChildren>,
  registry: Registry,
  kind: 'consul' | 'etcd' | 'zookeeper',
  server: string,
): Promise<void> {
  const kratos = (...args: string[]): Child => children.run(serverProgram('kratos-client'), [kind, server, ...args]);
  const staying = anInstance({ host: '2001:db8::7', scheme: 'https', port: 8_443 });
  const { service } = staying;
  const leaving = anInstance({
    service,
    instanceId: 'leaving',
    weight: 40,
    metadata: { version: '1.2', zone: 'eu-1' },
  });
  await registry.register(staying);

  const watching = kratos('watch', service);
  const seen = (): readonly KratosInstance[] => JSON.parse(watching.lines.at(-1) ?? '[]') ?? [];
  const sees = (...endpoints: string[]): Promise<void> =>
    until(
      () =>
        String(
          seen()
            .map((found) => found.endpoints)
            .sort(),
        ) === String(endpoints),
    );
  await sees('https://[2001:db8::7]:8443');
  await registry.register(leaving);
  await sees('http://127.0.0.1:8080', 'https://[2001:db8::7]:8443');
  const entry = { name: service, endpoints: ['http://127.0.0.1:8080'] };
  const labels = { version: '1.2', zone: 'eu-1' };
  // Consul has its own id, version and weight, and metadata of the plugin.
  expect(seen().find(({ id }) => id.endsWith('leaving'))).toEqual(
    kind === 'consul'
      ? expect.objectContaining({ ...entry, metadata: expect.objectContaining(labels) })
      : { ...entry, id: 'leaving', version: '1.2', metadata: { ...labels, weight: '40' } },
  );
  const endpoints = [
    { protocol: 'http', port: 8_080, secure: false },
    { protocol: 'grpc', port: 9_090, secure: false },
  ] as const;
  // Under another id: a watch of kratos does not see in ZooKeeper that an entry has changed.
  const both = { ...leaving, instanceId: 'both', endpoints };
  await registry.register(both);
  await until(() => seen().some((found) => String([...found.endpoints].sort()) === GRPC_AND_HTTP));
  await registry.deregister(both);
  // Its watch of ZooKeeper misses a change that follows another one at once.
  await sees('http://127.0.0.1:8080', 'https://[2001:db8::7]:8443');
  await registry.deregister(leaving);
  await sees('https://[2001:db8::7]:8443');
  watching.process.stdin?.end();
  expect(await watching.ends()).toMatchObject({ code: 0 });
  await registry.deregister(staying);

  const lists: (readonly Instance[])[] = [];
  await registry.watch(service, (list) => lists.push(list));
  const registered = kratos('register', service, 'go-1', 'grpc://192.0.2.1:9000', 'https://192.0.2.1:8000');
  await until(() => lists.at(-1)?.length === 1);
  expect(lists.at(-1)).toMatchObject([
    {
      instanceId: expect.stringMatching(/go-1$/),
      generation: 0,
      host: '192.0.2.1',
      port: 8_000,
      scheme: 'https',
      weight: 20,
      endpoints: [
        { protocol: 'http', port: 8_000, secure: true },
        { protocol: 'grpc', port: 9_000, secure: false },
      ],
    },
  ]);
  registered.process.stdin?.end();
  expect(await registered.ends()).toMatchObject({ code: 0 });
  await until(() => lists.at(-1)?.length === 0);

  const grpcAlone = kratos('register', service, 'go-2', 'grpc://192.0.2.1:9000');
  await until(() => lists.at(-1)?.length === 1);
  expect(lists.at(-1)).toMatchObject([
    { port: 9_000, scheme: 'http', endpoints: [{ protocol: 'grpc', port: 9_000, secure: false }] },
  ]);
  grpcAlone.process.stdin?.end();
  expect(await grpcAlone.ends()).toMatchObject({ code: 0 });
}
