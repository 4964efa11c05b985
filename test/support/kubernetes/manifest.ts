import { parseAllDocuments } from 'yaml';
import { template, type Values } from '../../../src/cli/demo/template.ts';
import { NAMESPACE } from '../servers/kubernetes.ts';
import type { Pod } from './objects.ts';

/** The path of an API group. */
const GROUPS = {
  core: `/api/v1/namespaces/${NAMESPACE}`,
  apps: `/apis/apps/v1/namespaces/${NAMESPACE}`,
  policy: `/apis/policy/v1/namespaces/${NAMESPACE}`,
  rbac: `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}`,
} as const;

/** Where objects of a kind are, in the namespace of the tests. */
const PATHS = {
  ConfigMap: `${GROUPS.core}/configmaps`,
  Deployment: `${GROUPS.apps}/deployments`,
  Pod: `${GROUPS.core}/pods`,
  PodDisruptionBudget: `${GROUPS.policy}/poddisruptionbudgets`,
  Role: `${GROUPS.rbac}/roles`,
  RoleBinding: `${GROUPS.rbac}/rolebindings`,
  Service: `${GROUPS.core}/services`,
  ServiceAccount: `${GROUPS.core}/serviceaccounts`,
} as const;

type Kind = keyof typeof PATHS;

/** An object of a manifest. */
export interface Manifest {
  readonly kind: Kind;
  readonly metadata: { readonly name: string };
  readonly spec?: object;
  readonly data?: Readonly<Record<string, string>>;
}

/** The template of the pods of a Deployment. */
interface Deployment extends Manifest {
  readonly spec: { readonly template: { readonly spec: Pod['spec'] } };
}

export function isDeployment(manifest: Manifest): manifest is Deployment {
  return manifest.kind === 'Deployment';
}

/** What the Deployment among them says of its pods. */
export function podSpecOf(manifests: readonly Manifest[]): Pod['spec'] {
  const deployment = manifests.find(isDeployment);
  if (deployment === undefined) throw new Error('expected a Deployment, received none');
  return deployment.spec.template.spec;
}

/** The objects of a file of `deploy/kubernetes`, with its example values replaced. */
export function manifestsOf(file: string, values: Values = {}): readonly Manifest[] {
  return parseAllDocuments(template(`kubernetes/${file}`, values)).map((document) => document.toJS());
}

/** Where objects of a kind are created, or where the one of this name is. */
export function pathOf(kind: Kind, name?: string): string {
  return name === undefined ? PATHS[kind] : `${PATHS[kind]}/${name}`;
}
