import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { Word } from './echo.ts';
import { echoOf, grpcJs } from './libraries.ts';

/** A server of `echo.Echo` in this process. */
export interface EchoServer {
  readonly port: number;
  readonly close: () => void;
}

/** Listens on 127.0.0.1. @param say answers a call */
export async function serveEcho(say: (word: Word) => Word | Promise<Word>): Promise<EchoServer> {
  const grpc = grpcJs();
  const server = new grpc.Server();
  server.addService(echoOf(grpc).service, {
    say: async ({ request }: ServerUnaryCall<Word, Word>, answer: sendUnaryData<Word>) =>
      answer(null, await say(request)),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { port, close: () => server.forceShutdown() };
}

export interface Counting extends EchoServer {
  /** Calls that it has had. */
  calls: number;
}

export async function countingEcho(): Promise<Counting> {
  const server = await serveEcho((word) => {
    counting.calls++;
    return word;
  });
  const counting: Counting = { ...server, calls: 0 };
  return counting;
}
