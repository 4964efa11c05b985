/** gRPC calls and servers of the demo: one method that takes a text and answers one. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { LosslessError } from '../../errors.ts';

const PACKAGE = '@grpc/grpc-js';

const PATH = '/demo.Work/Pass';

/** Longest wait for an answer, in milliseconds; the load waits as long. */
const DEADLINE_MS = 10_000;

/** A failure in grpc-js. */
interface Status {
  readonly code: number;
  readonly details: string;
}

interface Client {
  makeUnaryRequest(
    path: string,
    serialize: (text: string) => Buffer,
    deserialize: (bytes: Buffer) => string,
    text: string,
    options: { readonly deadline: number },
    done: (error: Status | null, answer?: string) => void,
  ): void;
  close(): void;
}

interface Server {
  addService(definition: object, methods: Record<string, (call: { request: string }, done: Done) => void>): void;
  bindAsync(address: string, credentials: object, done: (error: Error | null, port: number) => void): void;
  tryShutdown(done: () => void): void;
}

type Done = (error: Status | null, answer?: string) => void;

/** The used part of `@grpc/grpc-js`. */
interface Library {
  readonly Client: new (target: string, credentials: object) => Client;
  readonly Server: new () => Server;
  readonly credentials: { createInsecure(): object };
  readonly ServerCredentials: { createInsecure(): object };
  readonly status: Readonly<Record<number, string>> & { readonly INTERNAL: number };
}

const serialize = (text: string): Buffer => Buffer.from(text);
const deserialize = (bytes: Buffer): string => bytes.toString();

/**
 * The file of `@grpc/grpc-js` in the user's folder; this package does not depend on it.
 *
 * @throws LosslessError LOSSLESS_DEMO_PROGRAM when the folder has none
 */
export function grpcFile(folder: string): string {
  try {
    return createRequire(join(folder, 'package.json')).resolve(PACKAGE);
  } catch {
    throw new LosslessError(
      'LOSSLESS_DEMO_PROGRAM',
      `demo --grpc calls by ${PACKAGE}, which is not installed in ${folder}: npm install ${PACKAGE}`,
    );
  }
}

/** The next service failed; the caller gets this message. */
export class PassError extends Error {}

/** A server that listens. */
export interface Serving {
  readonly port: number;
  /** Takes no new calls; resolves when the open ones have ended. */
  shutdown(): Promise<void>;
}

/** Serves and calls by the copy of grpc-js in a file, with one channel to each target. */
export class GrpcCalls {
  readonly #library: Library;
  readonly #clients = new Map<string, Client>();

  constructor(file: string) {
    this.#library = createRequire(file)(file) as Library;
  }

  /** Answers each text with what `work` makes of it. */
  serve(host: string, work: (text: string) => Promise<string>): Promise<Serving> {
    const { Server, ServerCredentials, status } = this.#library;
    const server = new Server();
    const texts = { requestDeserialize: deserialize, responseSerialize: serialize };
    const method = { path: PATH, requestStream: false, responseStream: false, ...texts };
    const pass = ({ request }: { request: string }, done: Done): void => {
      work(request).then(
        (answer) => done(null, answer),
        (error: Error) => done({ code: status.INTERNAL, details: error.message }),
      );
    };
    server.addService({ pass: method }, { pass });
    return new Promise((resolve, reject) => {
      server.bindAsync(`${host}:0`, ServerCredentials.createInsecure(), (error, port) => {
        if (error !== null) reject(error);
        else resolve({ port, shutdown: () => new Promise((done) => server.tryShutdown(done)) });
      });
    });
  }

  /** @throws PassError with the server's message; Error with the name of the status when the call itself failed */
  call(target: string, text: string): Promise<string> {
    const { status } = this.#library;
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + DEADLINE_MS };
      this.#client(target).makeUnaryRequest(PATH, serialize, deserialize, text, options, (error, answer = '') => {
        if (error === null) resolve(answer);
        else if (error.code === status.INTERNAL) reject(new PassError(error.details));
        else reject(new Error(status[error.code] ?? error.details));
      });
    });
  }

  /** Closes the channels to all targets but these. */
  keep(targets: readonly string[]): void {
    for (const [target, client] of this.#clients) {
      if (targets.includes(target)) continue;
      this.#clients.delete(target);
      client.close();
    }
  }

  #client(target: string): Client {
    const { Client, credentials } = this.#library;
    const client = this.#clients.get(target) ?? new Client(target, credentials.createInsecure());
    this.#clients.set(target, client);
    return client;
  }
}
