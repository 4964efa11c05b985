import { hostname } from 'node:os';
import { readSmall, readStart } from '../io/small-file.ts';
import { VERSION } from '../version.ts';

/** Attributes of a resource (OpenTelemetry semantic conventions, resource). */
export type Resource = Readonly<Record<string, string>>;

/** Facts about this process beside its resource attributes. */
export interface Known {
  /** LOSSLESS_ZONE. */
  readonly zone: string | undefined;
  /** `version` of LOSSLESS_METADATA, else that of the package.json. */
  readonly version: string | undefined;
  /** The name of the pod, when the process runs in one. */
  readonly pod: string | undefined;
}

/** Longest detected value of an attribute, in characters. */
const LONGEST = 255;

/** Where Kubernetes writes the namespace of a pod. */
const POD_NAMESPACE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** The id of a container in the paths of its mounts or control groups: 64 hexadecimal digits (Docker, containerd, CRI-O). */
const CONTAINER = /\/(?:[\w-]+[-:])?([0-9a-f]{64})(?:\.scope)?(?:\/|\s|$)/m;
const CONTAINER_FILES = ['/proc/self/cgroup', '/proc/self/mountinfo'];
const MOST_READ = 64 * 1_024;

/**
 * The resource of this process: the configured attributes (OTEL_RESOURCE_ATTRIBUTES), and others as far as they can be detected.
 * Never throws.
 */
export function completeResource(given: Resource, { zone, version, pod }: Known): Resource {
  const namespace = pod === undefined ? undefined : quietly(() => readSmall(POD_NAMESPACE, LONGEST)?.trim());
  const found: Readonly<Record<string, string | undefined>> = {
    'service.version': version,
    'service.namespace': given['k8s.namespace.name'] ?? namespace,
    // The name of this attribute until 2024.
    'deployment.environment.name': given['deployment.environment'],
    'cloud.availability_zone': zone,
    'host.name': quietly(hostname),
    'process.pid': String(process.pid),
    'process.runtime.name': 'nodejs',
    'process.runtime.version': process.versions.node,
    'k8s.namespace.name': namespace,
    'k8s.pod.name': pod,
    'container.id': containerId(),
    'telemetry.sdk.name': 'lossless-lifecycle',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': VERSION,
  };
  const known = Object.entries(found).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, value.slice(0, LONGEST)]],
  );
  return { ...(Object.fromEntries(known) as Resource), ...given };
}

/** The id of the container, from a list of control groups or mounts. */
export function containerOf(text: string): string | undefined {
  return CONTAINER.exec(text)?.[1];
}

function containerId(): string | undefined {
  for (const file of CONTAINER_FILES) {
    const id = quietly(() => containerOf(readStart(file, MOST_READ)));
    if (id !== undefined) return id;
  }
  return undefined;
}

/** An attribute that cannot be detected is left out. */
function quietly<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}
