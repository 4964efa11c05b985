import type { Agent, RequestOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { Guard } from '../../guard.ts';
import type { Prebuilt } from '../directory/prebuilt.ts';

/** The undocumented parts of an agent that are used: all but the newer `proxyEnv` have been there since Node.js 0.12. */
interface Pool {
  readonly options: { readonly proxyEnv?: object };
  readonly protocol: string;
  createConnection(options: RequestOptions, done: unknown): unknown;
  getName(options: object): string;
}

/** What the guard calls this. */
const HOOK = 'a connection that an agent makes';

/**
 * Lets an agent take a prepared connection, if it makes one while `addRequest` runs. An agent with its own way of connecting or
 * with a proxy, and a request with its own TLS settings, make their own connection.
 */
export function withPrebuilt(agent: Agent, prebuilt: Prebuilt, guard: Guard, addRequest: () => void): void {
  const pool = agent as unknown as Pool;
  const { createConnection } = pool;
  const mayTake = guard.attempt(
    HOOK,
    () => connectsAsNode(pool),
    () => false,
  );
  if (!mayTake) {
    addRequest();
    return;
  }
  pool.createConnection = (asked, done) => {
    const take = (): Socket | undefined => {
      const socket = isPlain(pool, asked, prebuilt) ? prebuilt.take() : undefined;
      // The agent leaves its time-out to the connecting code.
      return socket?.setTimeout(asked.timeout ?? 0);
    };
    return guard.attempt(HOOK, take, () => undefined) ?? createConnection.call(pool, asked, done);
  };
  try {
    addRequest();
  } finally {
    Reflect.deleteProperty(pool, 'createConnection');
  }
}

function connectsAsNode(pool: Pool): boolean {
  const { createConnection, options } = pool;
  if (options.proxyEnv !== undefined || Object.hasOwn(pool, 'createConnection')) return false;
  return [process.getBuiltinModule('node:http'), process.getBuiltinModule('node:https')].some(
    ({ Agent }) => (Agent.prototype as unknown as Pool).createConnection === createConnection,
  );
}

/** Options of `net.connect` and `tls.connect` that make connections differ and are not part of the name of their pool. */
const UNNAMED = [
  'allowHalfOpen',
  'ALPNProtocols',
  'blockList',
  'checkServerIdentity',
  'handle',
  'hints',
  'localPort',
  'lookup',
  'minDHSize',
  'onread',
  'pskCallback',
  'requestOCSP',
  'secureContext',
  'session',
  'socket',
  'typeOfService',
];

/** The name of a pool holds nearly all options that make connections differ. */
function isPlain(pool: Pool, options: RequestOptions, { destination }: Prebuilt): boolean {
  const asked = options as Readonly<Record<string, unknown>>;
  return (
    UNNAMED.every((option) => asked[option] === undefined) &&
    // The name of an HTTP pool holds no TLS options.
    (pool.protocol === 'https:') === (destination.servername !== undefined) &&
    pool.getName(options) === pool.getName(destination)
  );
}
