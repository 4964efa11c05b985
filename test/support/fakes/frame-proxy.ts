import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { Frames, JuteReader, JuteWriter } from '../../../src/registry/zookeeper/jute.ts';
import { pause } from '../until.ts';
import type { Fault, SeenCall } from './fault-proxy.ts';
import { Gate } from './gate.ts';

/** Operations of ZooKeeper by their number. */
const OPERATIONS: Readonly<Record<number, string>> = {
  1: 'create',
  2: 'delete',
  3: 'exists',
  4: 'getData',
  5: 'setData',
  8: 'getChildren',
  9: 'sync',
  11: 'ping',
  18: 'removeWatches',
  100: 'auth',
  106: 'addWatch',
  [-11]: 'closeSession',
};

/** Operations that name a node. */
const ON_NODES = new Set([1, 2, 3, 4, 5, 8, 9, 18, 106]);

/** An error that refuses an operation without a reason and without executing it. */
const SYSTEM_ERROR = -1;

interface Request {
  readonly xid: number;
  readonly call: SeenCall;
  readonly fault: Fault | undefined;
}

/**
 * A proxy in front of ZooKeeper with the faults of `FaultProxy`: records every request as its operation and path, delays or
 * drops single ones, or refuses all. A delayed request holds back those behind it on its connection, as in a network. A request
 * counts as passed on when it was written to the server, or the server had ended its connection.
 */
export class FrameProxy extends Gate {
  protected override readonly server: Server;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  readonly calls: SeenCall[] = [];
  readonly passed: SeenCall[] = [];
  faults: readonly Fault[] = [];
  #isFrozen = false;

  private constructor(target: number) {
    super();
    this.#target = target;
    this.server = createServer((near) => this.#accept(near));
  }

  static async start(target: number): Promise<FrameProxy> {
    const proxy = new FrameProxy(target);
    await proxy.up();
    return proxy;
  }

  /** While frozen, drops everything silently, like a cut link. */
  freeze(isFrozen: boolean): void {
    this.#isFrozen = isFrozen;
  }

  protected override cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(near: Socket): void {
    const far = createConnection({ port: this.#target, host: '127.0.0.1', noDelay: true });
    near.setNoDelay(true);
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    }
    far.on('close', () => near.destroy());
    const asked: Request[] = [];
    this.#requests(near, far, asked);
    this.#answers(near, far, asked);
  }

  #requests(near: Socket, far: Socket, asked: Request[]): void {
    const frames = new Frames();
    let isFirst = true;
    let turn: Promise<unknown> = Promise.resolve();
    near.on('data', (chunk) => {
      if (this.#isFrozen) return;
      for (const record of frames.push(chunk)) {
        const request = requestOf(record, isFirst, this.faults);
        isFirst = false;
        this.calls.push(request.call);
        turn = turn.then(() => this.#pass(record, request, { near, far, asked }));
      }
    });
    near.on('close', () => {
      turn.then(() => far.end());
    });
  }

  async #pass(
    record: Buffer,
    request: Request,
    { near, far, asked }: { readonly near: Socket; readonly far: Socket; readonly asked: Request[] },
  ): Promise<void> {
    const { fault, call, xid } = request;
    if (fault?.drop) return;
    if (fault?.status === 200) return void near.write(new JuteWriter().int(xid).int(7).frame());
    if (fault?.status !== undefined)
      return void near.write(new JuteWriter().int(xid).long(0n).int(SYSTEM_ERROR).frame());
    if (fault?.delayMs !== undefined) await pause(fault.delayMs);
    asked.push(request);
    if (far.writable) await new Promise((resolve) => far.write(framed(record), resolve));
    this.passed.push(call);
  }

  #answers(near: Socket, far: Socket, asked: Request[]): void {
    const frames = new Frames();
    far.on('data', (chunk) => {
      if (this.#isFrozen) return;
      for (const record of frames.push(chunk)) {
        const xid = record.readInt32BE();
        const at = asked.findIndex((request) => request.xid === xid || request.call.method === 'connect');
        const [request] = at < 0 ? [] : asked.splice(at, 1);
        if (request?.fault?.dropAnswer) continue;
        const { cutAfter } = request?.fault ?? {};
        if (near.writable) near.write(framed(record).subarray(0, cutAfter));
        if (cutAfter !== undefined) near.destroySoon();
      }
    });
  }
}

function requestOf(record: Buffer, isFirst: boolean, faults: readonly Fault[]): Request {
  const reader = new JuteReader(record);
  const [xid, type] = [reader.int(), reader.int()];
  const method = isFirst ? 'connect' : (OPERATIONS[type] ?? String(type));
  const url = !isFirst && ON_NODES.has(type) ? reader.text() : '';
  const call = { method, url, body: record.toString('latin1') };
  return { xid, call, fault: faults.find(({ when }) => when(call)) };
}

function framed(record: Buffer): Buffer {
  return new JuteWriter().bytes(record).frame().subarray(4);
}
