import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { openLoop } from './open-loop.ts';

/** Longest wait for one answer, in milliseconds; a later one is a failure. */
const TIMEOUT_MS = 10_000;

/** The results of a load. */
export interface Counts {
  readonly requests: number;
  readonly failed: number;
  /** How often each reason occurred. */
  readonly reasons: Readonly<Record<string, number>>;
}

/** An open-loop load: sends a fixed number of POSTs a second, however slow the answers are, and none twice. */
export class Load {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #target: URL;
  readonly #pending = new Set<Promise<void>>();
  readonly #reasons: Record<string, number> = {};
  #end = (): void => {};
  #requests = 0;
  #failed = 0;

  constructor(target: URL) {
    this.#target = target;
  }

  get counts(): Counts {
    return { requests: this.#requests, failed: this.#failed, reasons: this.#reasons };
  }

  /** Sends requests one after the other, uncounted: a process that has just started loads code for its first ones. */
  async warmUp(requests: number): Promise<void> {
    for (let n = 1; n <= requests; n++) await this.#post(`first ${n}`).catch(() => {});
  }

  start(perSecond: number): void {
    this.#end = openLoop(perSecond, () => this.#send());
  }

  /** Sends no more and waits for the answers. */
  async stop(): Promise<Counts> {
    this.#end();
    await Promise.all(this.#pending);
    this.#agent.destroy();
    return this.counts;
  }

  #send(): void {
    const id = String(++this.#requests);
    const sent = this.#post(id).catch((error: NodeJS.ErrnoException) => {
      this.#failed++;
      const reason = error.code ?? error.message;
      this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1;
    });
    this.#pending.add(sent);
    void sent.finally(() => this.#pending.delete(sent));
  }

  async #post(id: string): Promise<void> {
    const { status, body } = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      const call = request(
        this.#target,
        { method: 'POST', agent: this.#agent, signal: AbortSignal.timeout(TIMEOUT_MS) },
        (response) => {
          text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
        },
      );
      call.on('error', reject);
      call.end(id);
    });
    if (status !== 200 || body !== id) throw new Error(`${status} ${body.slice(0, 100)}`);
  }
}
