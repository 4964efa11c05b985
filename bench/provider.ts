/** A provider that leaves as one of the peers does: `provider.ts <peer> <registry>`. */
import { systemClock } from '../src/lifecycle/clock.ts';
import { openRegistry } from '../src/registry/open.ts';
import { anInstance } from '../test/support/an-instance.ts';
import { portOf } from '../test/support/listening.ts';
import { PEERS, serve } from './peers.ts';

const [peer = '', registryUrl = ''] = process.argv.slice(2);

/** Holds the signal back from its listeners until the registry has removed this instance; `kill` has no listener and removes nothing. */
function deregisterFirst(deregister: () => Promise<void>): void {
  const leave = process.listeners('SIGTERM') as readonly NodeJS.SignalsListener[];
  if (leave.length === 0) return;
  process.removeAllListeners('SIGTERM');
  process.once('SIGTERM', async (...signal) => {
    await deregister();
    for (const listener of leave) listener(...signal);
  });
}

async function register(port: number): Promise<() => Promise<void>> {
  const registry = await openRegistry(new URL(registryUrl), { clock: systemClock, log: () => {} });
  const instance = anInstance({ service: 'provider', instanceId: `provider:${process.pid}`, port });
  await registry.register(instance);
  return () => registry.deregister(instance);
}

const server = await serve(peer);
// No connection expires during a run: the benchmark does not measure that race.
server.keepAliveTimeout = 72_000;
const port = portOf(server);
process.on('disconnect', () => process.exit());
process.once('message', async (proxied: number) => {
  await PEERS[peer]?.leave?.(server);
  if (peer !== 'plugin') deregisterFirst(await register(proxied));
  process.send?.({ registered: true });
});
process.send?.({ port });
