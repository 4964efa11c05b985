import { createClient, type Transport } from '@connectrpc/connect';
import { service, type Word } from './echo.ts';

/** A client of `echo.Echo` by Connect. */
export interface ConnectEcho {
  say(word: Word, options?: object): Promise<Word>;
  repeat(word: Word, options?: object): AsyncIterable<Word>;
}

export function connectEcho(transport: Transport): ConnectEcho {
  return createClient(service, transport) as unknown as ConnectEcho;
}
