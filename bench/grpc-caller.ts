/** A process that calls `echo.Echo` by grpc-js, as often as a message says, and reports its CPU microseconds per call: `grpc-caller.ts <options>`. */
import { grpcJsClient } from '../test/support/grpc/clients.ts';
import { slice } from './slice.ts';

const client = grpcJsClient(JSON.parse(process.argv[2] ?? '') as Parameters<typeof grpcJsClient>[0]);

const one = (): Promise<void> =>
  new Promise((resolve, reject) =>
    client['say']?.({ text: 'x', ms: 0 }, (error: Error | null) => (error === null ? resolve() : reject(error))),
  );

process.on('disconnect', () => process.exit());
process.on('message', async ({ calls }: { calls: number }) => process.send?.({ µs: await slice(calls, one) }));
