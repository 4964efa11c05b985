import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { until } from '../until.ts';
import { freePort, serverProgram } from './built.ts';
import { Etcd } from './etcd.ts';

/** Tokens that the API server knows. */
export const TOKENS = { admin: 'admin-token', reader: 'reader-token', stranger: 'stranger-token' } as const;

/** The namespace of the tests, in which the reader may read EndpointSlices. */
export const NAMESPACE = 'shop';

/** A real API server over a real etcd, without controllers and nodes: the tests write the EndpointSlices. */
export class Kubernetes {
  readonly port: number;
  /** Certificate of the server, which its clients trust. */
  readonly ca: string;
  readonly #directory: ScratchFolder;
  readonly #etcd: Etcd;
  #child: Child | undefined;

  private constructor(port: number, etcd: Etcd, directory: ScratchFolder) {
    this.port = port;
    this.#etcd = etcd;
    this.#directory = directory;
    this.ca = join(directory.path, 'apiserver.crt');
  }

  static async start(): Promise<Kubernetes> {
    const kubernetes = new Kubernetes(await freePort(), await Etcd.start(), new ScratchFolder());
    try {
      kubernetes.#prepare();
      await kubernetes.start();
      await kubernetes.#allow();
      return kubernetes;
    } catch (thrown) {
      await kubernetes.close();
      throw thrown;
    }
  }

  async start(): Promise<void> {
    const path = (name: string): string => join(this.#directory.path, name);
    this.#child = new Child(serverProgram('kube-apiserver'), [
      `--etcd-servers=http://127.0.0.1:${this.#etcd.port}`,
      `--cert-dir=${this.#directory.path}`,
      '--bind-address=127.0.0.1',
      // Needed because the server finds no address without a default route. A documentation address, which nothing calls.
      '--advertise-address=192.0.2.254',
      `--secure-port=${this.port}`,
      '--service-cluster-ip-range=10.0.0.0/24',
      '--authorization-mode=RBAC',
      '--disable-admission-plugins=ServiceAccount',
      `--token-auth-file=${path('tokens.csv')}`,
      `--service-account-issuer=https://127.0.0.1:${this.port}/`,
      `--service-account-key-file=${path('sa.pub')}`,
      `--service-account-signing-key-file=${path('sa.key')}`,
      '--enable-priority-and-fairness=false',
    ]);
    await until(async () => (await this.call('GET', '/readyz')).status === 200);
  }

  /** Kills the API server; its stored data stays. */
  async stop(): Promise<void> {
    await this.#child?.destroy();
  }

  /** Calls the API as the administrator. */
  call(method: string, path: string, body?: object, type = 'application/json'): Promise<KubernetesAnswer> {
    return new Promise((resolve) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: this.port,
          method,
          path,
          agent: false,
          rejectUnauthorized: false,
          headers: { authorization: `Bearer ${TOKENS.admin}`, 'content-type': type },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      call.on('error', () => resolve({ status: 0, text: '' }));
      call.end(body && JSON.stringify(body));
    });
  }

  /** Creates or replaces an EndpointSlice of the namespace. */
  async putSlice(slice: SliceFields): Promise<void> {
    const { name, service, ...rest } = slice;
    const body = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      ...rest,
    };
    const created = await this.call('POST', SLICES, body);
    if (created.status === 201) return;
    const replaced = created.status === 409 ? await this.call('PUT', `${SLICES}/${name}`, body) : created;
    if (replaced.status !== 200) throw new Error(`the slice ${name}: ${replaced.status} ${replaced.text}`);
  }

  /** Changes the conditions of the first endpoint. */
  async patchConditions(name: string, conditions: object): Promise<void> {
    const { text } = await this.call('GET', `${SLICES}/${name}`);
    const { endpoints } = JSON.parse(text) as { endpoints: object[] };
    const patch = { endpoints: [{ ...endpoints[0], conditions }, ...endpoints.slice(1)] };
    const { status } = await this.call('PATCH', `${SLICES}/${name}`, patch, 'application/merge-patch+json');
    if (status !== 200) throw new Error(`the slice ${name} cannot be changed: ${status}`);
  }

  async deleteSlice(name: string): Promise<void> {
    const { status } = await this.call('DELETE', `${SLICES}/${name}`);
    if (status !== 200 && status !== 404) throw new Error(`the slice ${name} cannot be deleted: ${status}`);
  }

  /** Deletes the history of changes, so that old resource versions become invalid. */
  async compact(): Promise<void> {
    const { header } = (await this.#etcd.call('/v3/kv/range', { key: btoa('x') })) as { header: { revision: string } };
    await this.#etcd.call('/v3/kv/compaction', { revision: header.revision, physical: true });
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#etcd.close();
    this.#directory.remove();
  }

  #prepare(): void {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2_048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    writeFileSync(join(this.#directory.path, 'sa.pub'), publicKey);
    writeFileSync(join(this.#directory.path, 'sa.key'), privateKey);
    const rows = [
      `${TOKENS.admin},admin,1,system:masters`,
      `${TOKENS.reader},system:serviceaccount:${NAMESPACE}:reader,2,system:serviceaccounts`,
      `${TOKENS.stranger},system:serviceaccount:${NAMESPACE}:stranger,3,system:serviceaccounts`,
    ];
    writeFileSync(join(this.#directory.path, 'tokens.csv'), `${rows.join('\n')}\n`);
  }

  /** Creates the namespace, and the Role of docs/registries/kubernetes.md with its binding. */
  async #allow(): Promise<void> {
    const page = readFileSync(new URL('../../../docs/registries/kubernetes.md', import.meta.url), 'utf8');
    const [rules = ''] = /\[\{.*"endpointslices".*\}\]/.exec(page) ?? [];
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${NAMESPACE}`;
    const kind = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name: 'reader' } };
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' };
    const subjects = [{ kind: 'ServiceAccount', name: 'reader', namespace: NAMESPACE }];
    const made = [
      await this.call('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } }),
      await this.call('POST', `${rbac}/roles`, { ...kind, kind: 'Role', rules: JSON.parse(rules) }),
      await this.call('POST', `${rbac}/rolebindings`, { ...kind, kind: 'RoleBinding', roleRef, subjects }),
    ];
    const refused = made.find(({ status }) => status !== 201);
    if (refused !== undefined) throw new Error(`not made: ${refused.text}`);
  }
}

const SLICES = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;

interface KubernetesAnswer {
  readonly status: number;
  readonly text: string;
}

/** An EndpointSlice: names of fields are those of discovery.k8s.io/v1. */
export interface SliceFields {
  readonly name: string;
  readonly service: string;
  readonly addressType?: 'IPv4' | 'IPv6' | 'FQDN';
  readonly ports: readonly object[];
  readonly endpoints: readonly object[];
}
