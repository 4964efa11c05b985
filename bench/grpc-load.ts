/** A load of a client without the plugin, in a process of its own: `grpc-load.ts <options>`, with the options of the load and `client`. */
import { text } from 'node:stream/consumers';
import { type LoadOptions, startConnect, startGrpcJs } from '../test/support/grpc/clients.ts';

const CLIENTS = { 'grpc-js': startGrpcJs, 'connect-node': startConnect };

export interface Options extends LoadOptions {
  readonly client: keyof typeof CLIENTS;
}

const { client, ...options } = JSON.parse(process.argv[2] ?? '') as Options;
const load = CLIENTS[client](options);
await text(process.stdin);
// Wait for the callback, because a long text takes several writes.
process.stdout.write(JSON.stringify(await load.stop()), () => process.exit());
