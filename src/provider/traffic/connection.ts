import type { ServerResponse } from 'node:http';
import type { CallProtocol } from '../../lifecycle/outcomes.ts';
import type { RecentCaller } from './recent-caller.ts';

/** The user of a connection, unknown until its first request. `self`: this process; `probe`: only health checks. */
type Owner = RecentCaller | 'unmanaged' | 'probe' | 'self' | undefined;

/** One connection of a client. For an HTTP/2 session: its owner and its number of open streams. */
export class Connection {
  /** Of its last request. */
  protocol: CallProtocol = 'http/1.1';
  /** Requests on it whose response is not finished. */
  inflight = 0;
  /** The oldest unfinished response. */
  first: ServerResponse | undefined;
  /** Further unfinished responses, when the client pipelines. */
  queue: ServerResponse[] | undefined;
  /** The client has pipelined: this connection must never be closed by a response header (races R4). */
  pipelined = false;
  /** The last consumer header, so that it is decoded only when it changes. */
  header: string | undefined;
  owner: Owner;
  /** Address of its client. */
  address: string | undefined;
  /** Its last request was a health check: no caller waits for the next one. */
  isProbe = false;
  /** Monotonic time at which its last request started or ended; kept only while the instance leaves. */
  activeAt = 0;

  /** A request has begun. */
  begin(response: ServerResponse): void {
    if (this.inflight++ === 0) {
      this.first = response;
      return;
    }
    this.pipelined = true;
    this.queue ??= [];
    this.queue.push(response);
  }

  /** The oldest response is finished. */
  finish(): void {
    this.inflight--;
    this.first = this.queue?.shift();
  }

  /** Every unfinished response, oldest first. */
  get responses(): readonly ServerResponse[] {
    return this.first === undefined ? [] : [this.first, ...(this.queue ?? [])];
  }
}
