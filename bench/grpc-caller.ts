/** A process that calls `echo.Echo` by grpc-js, as often as a message says, and answers its CPU microseconds per call: `grpc-caller.ts <target>`. */
import { credentials } from '@grpc/grpc-js';
import { Echo } from '../test/support/grpc/echo.ts';
import { slice } from './slice.ts';

const [target = ''] = process.argv.slice(2);

// What its target leads to decides otherwise.
const config = target.startsWith('ipv4:') ? { loadBalancingConfig: [{ round_robin: {} }] } : {};
const client = new Echo(target, credentials.createInsecure(), { 'grpc.service_config': JSON.stringify(config) });

const one = (): Promise<void> =>
  new Promise((resolve, reject) =>
    client['say']?.({ text: 'x', ms: 0 }, (error: Error | null) => (error === null ? resolve() : reject(error))),
  );

process.on('disconnect', () => process.exit());
process.on('message', async ({ calls }: { calls: number }) => process.send?.({ µs: await slice(calls, one) }));
