import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../process/operator.ts';
import type { ContainerSpec } from './objects.ts';

/** Asks a container whether it is ready, as the kubelet does, and reports each change; it begins as not ready. Ends with the signal. */
export async function probe(
  { readinessProbe, ports = [] }: ContainerSpec,
  host: string,
  tell: (isReady: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  if (readinessProbe === undefined) return tell(true);
  const { failureThreshold, httpGet, initialDelaySeconds = 0, periodSeconds, timeoutSeconds } = readinessProbe;
  const port = Number(ports.find(({ name }) => name === httpGet.port)?.containerPort ?? httpGet.port);
  const headers = { 'user-agent': 'kube-probe/1.34', accept: '*/*', connection: 'close' };
  const pause = (seconds: number): Promise<void> => sleep(seconds * 1_000, undefined, { signal }).catch(() => {});
  let isReady = false;
  let failures = 0;
  await pause(initialDelaySeconds);
  while (!signal.aborted) {
    const answered = await ask(port, httpGet.path, {
      host,
      headers,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutSeconds * 1_000)]),
    }).then(
      ({ status }) => status >= 200 && status < 400,
      () => false,
    );
    if (signal.aborted) return;
    failures = answered ? 0 : failures + 1;
    if (answered !== isReady && (answered || failures >= failureThreshold)) {
      isReady = answered;
      tell(isReady);
    }
    await pause(periodSeconds);
  }
}
