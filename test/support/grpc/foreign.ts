import { fileURLToPath } from 'node:url';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import type { Counts, Load } from '../entry/load.ts';
import type { Child } from '../process/child.ts';
import type { Children } from '../process/use-children.ts';
import { serverProgram } from '../servers/built.ts';
import type { LoadOptions } from './clients.ts';
import { definition, type Word } from './echo.ts';

const GRPCIO = fileURLToPath(new URL('../../servers/grpcio/main.py', import.meta.url));

type Run = (children: Children, args: readonly string[]) => Child;

/** Clients of other languages, without the plugin, by the folder of test/servers from which each is built. */
const CLIENTS = {
  'grpc-go': (children, args) => children.run(serverProgram('grpc-go'), args),
  'grpc-java': (children, args) =>
    children.run('java', ['-cp', `${serverProgram('grpc-java')}/*`, 'lossless.GrpcJava', ...args]),
  grpcio: (children, args) =>
    children.run('python3', [GRPCIO, ...args], { env: { PYTHONPATH: serverProgram('grpcio') } }),
} satisfies Record<string, Run>;

export type ForeignName = keyof typeof CLIENTS;

/** All names. */
export const FOREIGN = Object.keys(CLIENTS) as readonly ForeignName[];

/** Calls `echo.Echo` at a list of addresses, in turn. */
export function startForeign(
  children: Children,
  name: ForeignName,
  { method, ms, perSecond, ports }: Omit<LoadOptions, 'isSecure'>,
): Pick<Load, 'stop'> {
  const kind = method === 'say' ? 'unary' : 'stream';
  const { path, bytes } = requestOf(method, { text: 'x', ms });
  const addresses = ports.map((port) => `127.0.0.1:${port}`).join(',');
  return loadOf(CLIENTS[name](children, [kind, addresses, path, bytes, `${perSecond}`]));
}

/** Posts with net/http of Go over HTTP/2. @param body a body that the client can write twice, or one that it cannot */
export function startNetHttp(
  children: Children,
  url: string,
  body: 'replayable' | 'once',
  perSecond: number,
): Pick<Load, 'stop'> {
  return loadOf(children.run(serverProgram('grpc-go'), [body, url, `${perSecond}`]));
}

function requestOf(method: LoadOptions['method'], word: Word): { readonly path: string; readonly bytes: string } {
  const echo = definition['echo.Echo'] as ServiceDefinition;
  const { path, requestSerialize } = echo[method === 'say' ? 'Say' : 'Repeat'] as MethodDefinition<Word, Word>;
  return { path, bytes: requestSerialize(word).toString('hex') };
}

/** The load of a process that goes on until its standard input ends, and then prints its counts. */
export function loadOf(child: Child): Pick<Load, 'stop'> {
  return {
    stop: async () => {
      child.process.stdin?.end();
      await child.ends();
      if (child.stdout === '') throw new Error(child.stderr);
      return JSON.parse(child.stdout) as Counts;
    },
  };
}
