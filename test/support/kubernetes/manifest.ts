import { parseAllDocuments } from 'yaml';
import { template, type Values } from '../../../src/cli/demo/template.ts';
import { NAMESPACE } from '../servers/kubernetes.ts';

/** The path of an API group. */
const GROUPS = {
  core: `/api/v1/namespaces/${NAMESPACE}`,
  apps: `/apis/apps/v1/namespaces/${NAMESPACE}`,
  policy: `/apis/policy/v1/namespaces/${NAMESPACE}`,
  rbac: `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}`,
} as const;

/** Where objects of a kind are, in the namespace of the tests. */
const PATHS = {
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
}

/** The objects of a file of `deploy/kubernetes`, with its example values replaced. */
export function manifestsOf(file: string, values: Values = {}): readonly Manifest[] {
  return parseAllDocuments(template(`kubernetes/${file}`, values)).map((document) => document.toJS());
}

/** Where objects of a kind are created, or where the one of this name is. */
export function pathOf(kind: Kind, name?: string): string {
  return name === undefined ? PATHS[kind] : `${PATHS[kind]}/${name}`;
}
