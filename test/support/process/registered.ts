import type { OtherProcess } from '../../../src/registry/contract/subject.ts';
import type { Instance } from '../../../src/registry/registry.ts';
import type { Children } from './use-children.ts';

const REGISTERED = new URL('../../fixtures/registry/registered.ts', import.meta.url);

/** Starts a process that registers `instance` and keeps it alive. Resolves when it is registered. */
export async function registered(children: Children, url: string, instance: Instance): Promise<OtherProcess> {
  const child = children.node(REGISTERED, { args: [url, JSON.stringify(instance)] });
  await child.sees(/registered/);
  return { kill: () => child.signal('SIGKILL') };
}
