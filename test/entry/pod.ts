import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { template } from '../../src/cli/demo/template.ts';
import { Child } from '../support/process/child.ts';
import { CLI } from '../support/process/cli.ts';

/** Least time that the kubelet gives a container after its preStop, in milliseconds, even when the preStop has used up all time. */
const LEAST_MS = 2_000;

/** Variables that belong to the image, or that every application of the scenarios has. */
const OF_THE_IMAGE: readonly string[] = ['NODE_OPTIONS', 'LOSSLESS_ENABLED', 'OTEL_SERVICE_NAME'];

/** The container of the application in a manifest of `deploy/kubernetes`. */
export interface Pod {
  readonly env: Readonly<Record<string, string>>;
  /** Arguments of `lossless`. */
  readonly preStop: readonly string[];
  /** Longest end, preStop included, in milliseconds. */
  readonly graceMs: number;
}

/** Reads a manifest. @param values replacements for the values of its variables */
export function podOf(manifest: string, values: Readonly<Record<string, string>>): Pod {
  const [deployment] = parseAllDocuments(template(`kubernetes/${manifest}`));
  if (deployment === undefined) throw new Error(`${manifest} is empty`);
  const { containers, terminationGracePeriodSeconds } = deployment.toJS().spec.template.spec;
  const [{ env, lifecycle }] = containers;
  const variables = (env as readonly { readonly name: string; readonly value: string }[])
    .filter(({ name }) => !OF_THE_IMAGE.includes(name))
    .map(({ name, value }) => [name, values[value] ?? value]);
  const [, ...preStop] = lifecycle.preStop.exec.command;
  return { env: Object.fromEntries(variables), preStop, graceMs: terminationGracePeriodSeconds * 1_000 };
}

/** Ends a container in the order of the kubelet: preStop, SIGTERM, and SIGKILL when its time is over. */
export async function terminate(container: Child, { env, graceMs, preStop }: Pod): Promise<void> {
  const killAt = performance.now() + graceMs;
  const hook = new Child(process.execPath, [CLI, ...preStop], { env });
  const ended = container.ended.then(() => {});
  await Promise.race([hook.ended, ended, sleep(graceMs)]);
  await hook.destroy();
  const signal = (name: NodeJS.Signals): void => {
    try {
      container.signal(name);
    } catch {
      // The container has ended.
    }
  };
  signal('SIGTERM');
  await Promise.race([ended, sleep(Math.max(LEAST_MS, killAt - performance.now()))]);
  signal('SIGKILL');
  await ended;
}
