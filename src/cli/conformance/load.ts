import { Agent, type ClientRequest, request } from 'node:http';
import { sleep, systemClock } from '../../lifecycle/clock.ts';
import { CONSUMER_HEADER, DRAINING_HEADER } from '../../protocol/header.ts';
import type { Instance } from '../../registry/registry.ts';

/** Time between two requests, in milliseconds. */
const EVERY_MS = 20;

/** Sends requests to an instance, one after the other, and one more whose body it sends in two parts. */
export class Load {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #options;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #upload: ClientRequest | undefined;
  #uploaded = Promise.withResolvers<number>();
  answered = 0;
  /** Why a request failed. */
  failed: string | undefined;
  /** The last draining marker. */
  marker: string | undefined;

  constructor({ host, port }: Instance, path: string, header: string) {
    this.#options = { host, port, path, method: 'POST', agent: this.#agent, headers: { [CONSUMER_HEADER]: header } };
    this.#uploaded.promise.catch(() => {});
    this.#running = this.#run();
  }

  /** Sends a head and a part of a body. */
  async beginUpload(): Promise<void> {
    const headers = { ...this.#options.headers, 'content-length': '4' };
    this.#upload = request({ ...this.#options, headers });
    this.#upload.on('response', (response) => this.#uploaded.resolve(response.resume().statusCode ?? 0));
    this.#upload.on('error', this.#uploaded.reject);
    await new Promise((resolve) => this.#upload?.write('ab', resolve));
  }

  /** Sends the rest. @returns the status of the answer */
  endUpload(): Promise<number> {
    this.#upload?.end('cd');
    return this.#uploaded.promise;
  }

  /** Stops sending; resolves when the instance has answered all requests. */
  async end(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  close(): void {
    this.#stopping.abort();
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#one().catch((error: Error) => {
        this.failed ??= error.message;
      });
      await sleep(systemClock, EVERY_MS, this.#stopping.signal);
    }
  }

  #one(): Promise<void> {
    return new Promise((resolve, reject) => {
      const asked = request(this.#options, (response) => {
        const { headers, statusCode = 0 } = response.resume();
        if (statusCode >= 500) this.failed ??= `status ${statusCode}`;
        const marker = headers[DRAINING_HEADER];
        if (typeof marker === 'string') this.marker = marker;
        response.on('end', () => {
          this.answered++;
          resolve();
        });
      });
      asked.on('error', reject).end('conformance');
    });
  }
}
