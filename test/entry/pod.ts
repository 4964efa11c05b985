import { manifestsOf, podSpecOf } from '../support/kubernetes/manifest.ts';
import { terminate } from '../support/kubernetes/terminate.ts';
import { Child } from '../support/process/child.ts';
import { CLI } from '../support/process/cli.ts';

/** Variables that belong to the image, or that every application of the scenarios has. */
const OF_THE_IMAGE: readonly string[] = [
  'NODE_OPTIONS',
  'LOSSLESS_ENABLED',
  'OTEL_SERVICE_NAME',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
];

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
  const { containers, terminationGracePeriodSeconds } = podSpecOf(manifestsOf(manifest));
  const [{ env = [], lifecycle } = {}] = containers;
  const variables = env
    .filter(({ name }) => !OF_THE_IMAGE.includes(name))
    .map(({ name, value = '' }) => [name, values[value] ?? value]);
  const [, ...preStop] = lifecycle?.preStop?.exec?.command ?? [];
  return { env: Object.fromEntries(variables), preStop, graceMs: terminationGracePeriodSeconds * 1_000 };
}

/** Ends a container as the kubelet does. */
export function terminatePod(container: Child, { env, graceMs, preStop }: Pod): Promise<void> {
  return terminate(container, graceMs, new Child(process.execPath, [CLI, ...preStop], { env }));
}
