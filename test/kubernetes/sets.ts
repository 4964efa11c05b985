import { template } from '../../src/cli/demo/template.ts';
import { isDeployment, type Manifest, manifestsOf } from '../support/kubernetes/manifest.ts';
import type { Hook } from '../support/kubernetes/objects.ts';

/** How an application leaves: with the plugin, alone or behind a native sidecar, or by the usual hand-written code. */
export const SETS = ['plugin', 'plugin behind nginx', 'preStop sleep 5', 'no preStop'] as const;
export type SetName = (typeof SETS)[number];

/** The readiness probe of an application without the plugin, as often as that of the manifest. */
const HEALTH = { httpGet: { path: '/health', port: 'http' }, periodSeconds: 1, failureThreshold: 2 };

/** The ConfigMap that `with-proxy.yaml` names. */
const PROXY: Manifest = {
  kind: 'ConfigMap',
  metadata: { name: 'orders-proxy' },
  data: { 'nginx.conf': template('nginx-beside.conf') },
};

/** The deployed objects of `deploy/kubernetes`. @param values replace the example values */
const APPLICATIONS: Readonly<Record<SetName, (values: Readonly<Record<string, string>>) => readonly Manifest[]>> = {
  plugin: (values) => manifestsOf('with-registry.yaml', values),
  'plugin behind nginx': (values) => [PROXY, ...manifestsOf('with-proxy.yaml', values)],
  'preStop sleep 5': (values) => byHand(manifestsOf('with-registry.yaml', values), { sleep: { seconds: 5 } }),
  'no preStop': (values) => byHand(manifestsOf('with-registry.yaml', values)),
};

/** @param collector URL, instead of its example */
export function applicationOf(set: SetName, collector: string): readonly Manifest[] {
  return APPLICATIONS[set]({ 'http://otel-collector:4318': collector });
}

/** Whether its applications have the plugin, and leave a trace. */
export function hasPlugin(set: SetName): boolean {
  return set.startsWith('plugin');
}

/** The same without the plugin, and without what only the plugin answers. */
function byHand(manifests: readonly Manifest[], preStop?: Hook): readonly Manifest[] {
  return manifests.map((manifest) => {
    if (!isDeployment(manifest)) return manifest;
    const { spec, ...metadata } = manifest.spec.template;
    const containers = spec.containers.map(({ image, name, ports }) => ({
      image,
      name,
      ports,
      readinessProbe: HEALTH,
      lifecycle: { preStop },
    }));
    return { ...manifest, spec: { ...manifest.spec, template: { ...metadata, spec: { ...spec, containers } } } };
  });
}
