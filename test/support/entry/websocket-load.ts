import { WebSocket } from 'ws';
import { closing, type Load, openLoop, PATIENCE_MS, type Rate } from './load.ts';

export interface WebSocketOptions extends Rate {
  readonly host: string;
  readonly port: number;
}

/** WebSocket clients that send a text and wait for its echo; after a close by the server they connect again. */
export function startWebSocket({ host, port, ...rate }: WebSocketOptions): Load {
  const sockets: (WebSocket | undefined)[] = Array.from({ length: rate.clients });
  let turn = 0;
  const socketOf = (client: number): WebSocket => {
    const open = sockets[client];
    if (open !== undefined && open.readyState <= WebSocket.OPEN) return open;
    const socket = new WebSocket(`ws://${host}:${port}/echo`).setMaxListeners(0);
    socket.on('error', () => {});
    sockets[client] = socket;
    return socket;
  };
  const load = openLoop(rate, (client) => echo(socketOf(client), `${turn++}`));
  return closing(load, () => {
    for (const socket of sockets) socket?.terminate();
  });
}

/** Close codes of a server that goes away: the client reconnects elsewhere, and has lost nothing. */
const TOLD: readonly number[] = [1_001, 1_012];

/** Resolves with the code of a close before the echo, 1006 for a cut connection; undefined when all went well. */
function echo(socket: WebSocket, text: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const send = () => socket.send(text);
    const done = (reason?: string) => {
      clearTimeout(timer);
      socket.off('message', hears).off('close', closed).off('open', send);
      resolve(reason);
    };
    const hears = (data: Buffer) => void (data.toString() === text && done());
    const closed = (code: number) => done(TOLD.includes(code) ? undefined : `closed ${code}`);
    const timer = setTimeout(() => done('timeout'), PATIENCE_MS);
    socket.on('message', hears).on('close', closed);
    if (socket.readyState === WebSocket.OPEN) send();
    else socket.once('open', send);
  });
}
