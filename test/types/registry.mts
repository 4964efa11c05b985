import {
  type Case,
  contract,
  type Instance,
  LosslessError,
  type OpenBackend,
  openRegistry,
  type Registry,
  type RegistryBackend,
  type Round,
  type Subject,
} from 'lossless-lifecycle/registry';

const entries = new Map<string, Instance>();

/** The smallest backend there is. */
const backend = {
  title: 'Own',
  address: 'here',
  capabilities: { push: false, lagMs: 1_000, expires: false },
  beatMs: 1_000,
  write: async (instance) => void entries.set(instance.instanceId, instance),
  beat: async () => {},
  remove: async ({ instanceId }) => void entries.delete(instanceId),
  list: async (service) => [...entries.values()].filter((instance) => instance.service === service),
  rounds: (service) => async (deliver, signal) => {
    if (!signal.aborted) deliver(await backend.list(service));
    return 500;
  },
} satisfies RegistryBackend;

export const openBackend: OpenBackend = (url, { log }) => {
  log('info', `opens ${url.host}`);
  return url.searchParams.has('late') ? Promise.resolve(backend) : backend;
};
// @ts-expect-error there is no such level
const _loud: OpenBackend = (_, { log }) => void log('loud', '') ?? backend;
// @ts-expect-error a backend has a list
const _listless: RegistryBackend = { ...backend, list: undefined };
// @ts-expect-error a list is one of instances
const _names: RegistryBackend = { ...backend, list: async () => ['a'] };
// @ts-expect-error a round says how long to wait
const _round: Round = async (deliver) => deliver([]);
// @ts-expect-error the type of a registry is its scheme
const _typed = { ...backend, type: 'own' } satisfies RegistryBackend;

const registry: Registry = await openRegistry('own://host?module=./own.js', (level, message) => `${level} ${message}`);
// @ts-expect-error the text of LOSSLESS_REGISTRY
await openRegistry(new URL('memory:'));
const stop: () => void = await registry.watch('shop', ([first]) => first?.endpoints?.[0]?.protocol === 'grpc');
stop();

const subject: Subject = { open: async () => registry, heartbeatMs: 1_000 };
const cases: readonly Case[] = contract(subject);
for (const { name, run } of cases)
  await run().catch((thrown: unknown) => `${name}: ${thrown instanceof LosslessError}`);
// @ts-expect-error how long to look for an entry that comes back
contract({ open: async () => registry });
