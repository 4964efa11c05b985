import { setTimeout as sleep } from 'node:timers/promises';

/** Least time that the kubelet gives a container after its preStop, in milliseconds, even when the preStop has used up all time. */
const LEAST_MS = 2_000;

/** Something that can be asked to end. */
export interface Terminable {
  readonly ended: Promise<unknown>;
  signal(name: NodeJS.Signals): void;
}

/** A preStop that runs. */
export interface RunningHook {
  readonly ended: Promise<unknown>;
  destroy(): Promise<void>;
}

/** Ends a container in the order of the kubelet: preStop, the signal that its image names, and SIGKILL when its time is over. */
export async function terminate(
  container: Terminable,
  graceMs: number,
  preStop?: RunningHook,
  stopSignal: NodeJS.Signals = 'SIGTERM',
): Promise<void> {
  const killAt = performance.now() + graceMs;
  const signal = (name: NodeJS.Signals): void => {
    try {
      container.signal(name);
    } catch {
      // The container has ended.
    }
  };
  await Promise.race([preStop?.ended, container.ended, sleep(graceMs)]);
  await preStop?.destroy();
  signal(stopSignal);
  await Promise.race([container.ended, sleep(Math.max(LEAST_MS, killAt - performance.now()))]);
  signal('SIGKILL');
  await container.ended;
}
