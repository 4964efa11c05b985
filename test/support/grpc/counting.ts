import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { Word } from './echo.ts';
import { echoOf, grpcJs } from './libraries.ts';

/** A server of `echo.Echo` in this process. */
export interface Counting {
  readonly port: number;
  /** Calls that it has had. */
  calls: number;
  readonly close: () => void;
}

export async function countingEcho(): Promise<Counting> {
  const grpc = grpcJs();
  const server = new grpc.Server();
  server.addService(echoOf(grpc).service, {
    say: ({ request }: ServerUnaryCall<Word, Word>, answer: sendUnaryData<Word>) => {
      counting.calls++;
      answer(null, request);
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const counting: Counting = { port, calls: 0, close: () => server.forceShutdown() };
  return counting;
}
