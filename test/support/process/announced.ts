import type { State } from '../../../src/lifecycle/transitions.ts';
import type { Child } from './child.ts';

/** Resolves when a process with the plugin has entered this state, from the state `from` if given, even if it has left again. */
export async function entered(child: Child, state: State, from?: State): Promise<void> {
  await child.sees(new RegExp(`${from ?? '\\w+'} -> ${state}\\b`));
}

/** The port of the control server of a process with the plugin, once it listens. */
export function controlPortOf(child: Child): Promise<number> {
  return portIn(child, /control server listens on port (\d+)/);
}

/** The trace id of its shutdown that a process has logged; undefined without one. */
export function traceIdOf({ stderr }: Child): string | undefined {
  return /\/trace\/([0-9a-f]{32})/.exec(stderr)?.[1];
}

/** The port that an application of the fixtures has printed. */
export function appPortOf(child: Child): Promise<number> {
  return portIn(child, /listening (\d+)/);
}

async function portIn(child: Child, pattern: RegExp): Promise<number> {
  const [, port] = await child.sees(pattern);
  return Number(port);
}
