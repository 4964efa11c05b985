import { MODULE, REGISTRY_SCHEMES } from '../config/registries.ts';
import { LosslessError } from '../errors.ts';
import type { AdapterContext, RegistryContext } from './context.ts';
import { LowerCaseToo } from './lower-case-too.ts';
import type { Registry } from './registry.ts';
import { Secrets } from './secrets.ts';

type Adapter = (url: URL, context: AdapterContext) => Promise<Registry>;

/** Adapters by the scheme of their URL; each is loaded when its scheme is used. */
const ADAPTERS: Readonly<Record<(typeof REGISTRY_SCHEMES)[number], Adapter>> = {
  'file:': async (url, context) => (await import('./file/file.ts')).fileRegistry(url, context),
  'memory:': async (url) => (await import('./memory.ts')).memoryRegistry(url),
  'consul:': async (url, context) => (await import('./consul/consul.ts')).consulRegistry(url, context),
  'etcd:': async (url, context) => (await import('./etcd/etcd.ts')).etcdRegistry(url, context),
  'nacos:': async (url, context) => (await import('./nacos/nacos.ts')).nacosRegistry(url, context),
  'kubernetes:': async (url, context) => (await import('./kubernetes/kubernetes.ts')).kubernetesRegistry(url, context),
  'eureka:': async (url, context) => (await import('./eureka/eureka.ts')).eurekaRegistry(url, context),
  'zookeeper:': async (url, context) => (await import('./zookeeper/zookeeper.ts')).zookeeperRegistry(url, context),
};

/** The adapter for any other scheme whose URL names a module. */
const ofModule: Adapter = async (url, context) => (await import('./module/module.ts')).moduleRegistry(url, context);

/** Schemes whose service names ignore case or have no capitals. */
const CASELESS: readonly string[] = ['consul:', 'eureka:', 'kubernetes:'];

/**
 * Opens the registry that `url` names. Nothing is contacted before it is used, but for what a module does.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL when no adapter has that scheme, or the adapter cannot use the URL;
 * LOSSLESS_REGISTRY_MODULE when the module that it names is none
 */
export async function openRegistry(url: URL, context: RegistryContext): Promise<Registry> {
  const scheme = REGISTRY_SCHEMES.find((known) => known === url.protocol);
  const adapter = scheme === undefined ? url.searchParams.has(MODULE) && ofModule : ADAPTERS[scheme];
  if (!adapter) {
    const known = REGISTRY_SCHEMES.join(' or ');
    throw new LosslessError(
      'LOSSLESS_REGISTRY_URL',
      `expected a URL beginning with ${known}, or one with ${MODULE}=, received ${url.protocol}`,
    );
  }
  const registry = await adapter(url, { ...context, secrets: new Secrets() });
  return CASELESS.some((known) => known === scheme) ? registry : new LowerCaseToo(registry);
}

/**
 * Opens one registry, or several as one.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL, LOSSLESS_REGISTRY_MODULE
 */
export async function openRegistries(urls: readonly URL[], context: RegistryContext): Promise<Registry> {
  const opened = await Promise.all(urls.map((url) => openRegistry(url, context)));
  const [only] = opened;
  if (only !== undefined && opened.length === 1) return only;
  return (await import('./several.ts')).severalRegistries(opened, context);
}
