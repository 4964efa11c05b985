/** The demo on Kubernetes: `pods.ts <seconds>`, in a network namespace that has `POD_ADDRESS`. Prints its report. */
import type { Platform } from '../src/cli/demo/fleet.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { Kubernetes, NAMESPACE, TOKENS } from '../test/support/servers/kubernetes.ts';

/** Address of all pods, each at a port of its own: a documentation address, because a slice takes no loopback address. */
export const POD_ADDRESS = '192.0.2.1';

/** Kubelet and EndpointSlice controller: one slice for each pod, removed in the moment in which the pod is told to leave. */
function platformOf(kubernetes: Kubernetes): Platform {
  const podOf = (service: string, port: number): string => `${service}-${port}`;
  return {
    host: POD_ADDRESS,
    ready: (service, port) =>
      kubernetes.putSlice({
        name: podOf(service, port),
        service,
        ports: [{ name: 'http', port }],
        endpoints: [
          {
            addresses: [POD_ADDRESS],
            conditions: { ready: true },
            targetRef: { kind: 'Pod', name: podOf(service, port) },
          },
        ],
      }),
    leaving: (service, port) =>
      kubernetes.patchConditions(podOf(service, port), { ready: false, serving: true, terminating: true }),
  };
}

async function main(seconds: number): Promise<number> {
  // The published form of the plugin.
  const { runDemo } = (await import(
    new URL('../dist/src/cli/demo.js', import.meta.url).href
  )) as typeof import('../src/cli/demo.ts');
  const directory = new ScratchFolder();
  const kubernetes = await Kubernetes.start();
  const registry = `kubernetes://127.0.0.1:${kubernetes.port}?namespace=${NAMESPACE}&token=${TOKENS.reader}&ca=${encodeURIComponent(kubernetes.ca)}`;
  try {
    const io = { out: console.log, err: console.error, color: false, width: 100 };
    const options = { seconds, rate: 100, registry, json: true, platform: platformOf(kubernetes) };
    return await runDemo(options, directory.path, io);
  } finally {
    await kubernetes.close();
    directory.remove();
  }
}

if (import.meta.main) process.exit(await main(Number(process.argv[2])));
