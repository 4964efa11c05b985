import { isDeployment, type Manifest, manifestsOf } from '../support/kubernetes/manifest.ts';
import type { Hook } from '../support/kubernetes/objects.ts';

/** How an application leaves: by the plugin, or as it is usually written by hand. */
export const SETS = ['plugin', 'preStop sleep 5', 'no preStop'] as const;
export type SetName = (typeof SETS)[number];

/** What stands before a SIGTERM without the plugin. */
const BY_HAND: Readonly<Record<Exclude<SetName, 'plugin'>, { readonly preStop?: Hook }>> = {
  'preStop sleep 5': { preStop: { sleep: { seconds: 5 } } },
  'no preStop': {},
};

/** The readiness probe of an application without the plugin, as often as that of the manifest. */
const HEALTH = { httpGet: { path: '/health', port: 'http' }, periodSeconds: 1, failureThreshold: 2 };

/** `with-registry.yaml`; by hand it has neither the plugin nor what only the plugin answers. @param collector URL, instead of its example */
export function applicationOf(set: SetName, collector: string): readonly Manifest[] {
  const manifests = manifestsOf('with-registry.yaml', { 'http://otel-collector:4318': collector });
  if (set === 'plugin') return manifests;
  return manifests.map((manifest) => {
    if (!isDeployment(manifest)) return manifest;
    const { spec, ...metadata } = manifest.spec.template;
    const containers = spec.containers.map(({ image, name, ports }) => ({
      image,
      name,
      ports,
      readinessProbe: HEALTH,
      lifecycle: BY_HAND[set],
    }));
    return { ...manifest, spec: { ...manifest.spec, template: { ...metadata, spec: { ...spec, containers } } } };
  });
}
