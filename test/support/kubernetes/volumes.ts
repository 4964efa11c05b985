import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kubernetes } from '../servers/kubernetes.ts';
import type { Pod, Source, Volume } from './objects.ts';

/** Makes the volumes of a pod as the kubelet does, each a folder of its name. */
export async function makeVolumes(pod: Pod, kubernetes: Kubernetes, folder: string): Promise<void> {
  for (const volume of pod.spec.volumes ?? []) {
    const path = join(folder, volume.name);
    mkdirSync(path, { recursive: true });
    const files = await Promise.all(sourcesOf(volume).map((source) => filesOf(source, pod, kubernetes)));
    for (const [name, text] of files.flat()) writeFileSync(join(path, name), text);
  }
}

function sourcesOf({ configMap, emptyDir, name, projected }: Volume): readonly Source[] {
  if (configMap !== undefined) return [{ configMap }];
  if (emptyDir === undefined && projected === undefined) throw new Error(`the volume ${name} is of an unknown kind`);
  return projected?.sources ?? [];
}

/** Names and texts. */
async function filesOf(source: Source, { metadata, spec }: Pod, kubernetes: Kubernetes): Promise<[string, string][]> {
  const { configMap, downwardAPI, serviceAccountToken } = source;
  const path = `/api/v1/namespaces/${metadata.namespace}`;
  if (configMap !== undefined) {
    const { data } = await kubernetes.read<{ data: Record<string, string> }>(`${path}/configmaps/${configMap.name}`);
    return Object.entries(data);
  }
  if (serviceAccountToken !== undefined) {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: metadata.name, uid: metadata.uid };
    const { expirationSeconds, path: file } = serviceAccountToken;
    const asked = `${path}/serviceaccounts/${spec.serviceAccountName}/token`;
    const { status } = await kubernetes.write<{ status: { token: string } }>('POST', asked, {
      spec: { expirationSeconds, boundObjectRef },
    });
    return [[file, status.token]];
  }
  return (downwardAPI?.items ?? []).map((item) => [item.path, metadata.namespace]);
}
