import { createSecureServer, createServer } from 'node:http2';
import type { Server as NetServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { Observable } from 'rxjs';
import { PROTO, service, type Word } from './echo.ts';
import { echoOf, grpcJs } from './libraries.ts';

const Echo = echoOf(grpcJs());

export interface Listen {
  readonly host: string;
  readonly port: number;
  /** Key and certificate; undefined without TLS. */
  readonly secret: { readonly key: Buffer; readonly cert: Buffer } | undefined;
}

/** Repeats a word every 50 ms, for `ms` milliseconds. */
async function* repeated({ text, ms }: Word): AsyncGenerator<Word> {
  for (const until = performance.now() + ms; performance.now() < until; await pause(50)) yield { text, ms };
}

async function said(word: Word): Promise<Word> {
  await pause(word.ms);
  return word;
}

/** Applications that know nothing of the plugin. Each ends as its framework does. */
export const SERVERS: Readonly<Record<string, (listen: Listen) => Promise<unknown>>> = {
  'grpc-js': ({ host, port, secret }) => {
    const server = new Server();
    server.addService(Echo.service, {
      say: (call: ServerUnaryCall<Word, Word>, answer: sendUnaryData<Word>) => {
        const headers = new Metadata();
        headers.set('authority', call.getHost());
        for (const value of call.metadata.get('echo')) headers.add('echo', value);
        const isFirst = call.metadata.get('grpc-previous-rpc-attempts').length === 0;
        if (call.request.text === 'again' && isFirst) answer({ code: status.UNAVAILABLE });
        else
          void said(call.request).then((word) => {
            call.sendMetadata(headers);
            answer(null, word);
          });
      },
      repeat: async (call: ServerWritableStream<Word, Word>) => {
        for await (const word of repeated(call.request)) call.write(word);
        call.end();
      },
      gather: async (call: ServerReadableStream<Word, Word>, answer: sendUnaryData<Word>) => {
        const texts: string[] = [];
        for await (const { text } of call as AsyncIterable<Word>) texts.push(text);
        answer(null, { text: texts.join(' '), ms: 0 });
      },
      chat: (call: ServerDuplexStream<Word, Word>) => {
        // No loop, because Node.js 26 destroys a duplex stream at the end of a loop over it, before the stream is ended.
        call.on('data', (word) => call.write(word)).on('end', () => call.end());
      },
    });
    new HealthImplementation({ 'echo.Echo': 'SERVING' }).addToServer(server);
    const pair = secret && { private_key: secret.key, cert_chain: secret.cert };
    const credentials =
      pair === undefined ? ServerCredentials.createInsecure() : ServerCredentials.createSsl(null, [pair]);
    return new Promise((resolve, reject) =>
      server.bindAsync(`${host}:${port}`, credentials, (error) => (error === null ? resolve(server) : reject(error))),
    );
  },
  connect: async ({ host, port, secret }) => {
    const handler = connectNodeAdapter({
      routes: (router) => router.service(service, { say: said, repeat: repeated } as never),
    });
    const server = secret === undefined ? createServer(handler) : createSecureServer(secret, handler);
    return (server as NetServer).listen(port, host);
  },
  nest: async ({ host, port }) => {
    // They take a second.
    await import('reflect-metadata');
    const { Controller, Module } = await import('@nestjs/common');
    const { NestFactory } = await import('@nestjs/core');
    const { GrpcMethod, Transport } = await import('@nestjs/microservices');
    const { Observable: Stream } = await import('rxjs');
    class Controlled {
      say(word: Word): Promise<Word> {
        return said(word);
      }
      repeat(word: Word): Observable<Word> {
        return new Stream((subscriber) => {
          void (async () => {
            for await (const each of repeated(word)) subscriber.next(each);
            subscriber.complete();
          })();
        });
      }
    }
    class Application {}
    for (const name of ['say', 'repeat'] as const) {
      GrpcMethod('Echo', name === 'say' ? 'Say' : 'Repeat')(
        Controlled.prototype,
        name,
        Object.getOwnPropertyDescriptor(Controlled.prototype, name) ?? {},
      );
    }
    Controller()(Controlled);
    Module({ controllers: [Controlled] })(Application);
    const application = await NestFactory.createMicroservice(Application, {
      transport: Transport.GRPC,
      logger: false,
      options: { package: 'echo', protoPath: PROTO, url: `${host}:${port}` },
    });
    application.enableShutdownHooks();
    await application.listen();
  },
};
