import { fileURLToPath } from 'node:url';
import type { WorkRecord } from '../../../src/lifecycle/records.ts';
import type { FromConsumer, Lists } from '../../fixtures/consumer/wire.ts';
import { Child, type NodeOptions } from './child.ts';

const FILE = new URL('../../fixtures/consumer/app.ts', import.meta.url);
const PRELOAD = fileURLToPath(new URL('../../fixtures/consumer/preload.ts', import.meta.url));

/** Longest time of an operation, in milliseconds; a test has as long. */
const LONGEST_RUN_MS = 60_000;

/** An application with the consumer half. */
export class ConsumerApp {
  readonly #child: Child;
  readonly logs: { message: string; code?: string }[] = [];
  readonly records: WorkRecord[] = [];
  port = 0;
  #id = 0;

  private constructor(child: Child) {
    this.#child = child;
    child.process.on('message', (received: FromConsumer) => {
      if (received.type === 'log') this.logs.push(received);
      if (received.type === 'record') this.records.push(received.record as never);
    });
  }

  /** @param lists lists of services that it knows from the start */
  static async start(lists: Lists, options: Pick<NodeOptions, 'env' | 'line'> = {}): Promise<ConsumerApp> {
    const child = Child.node(FILE, { ...options, nodeArgs: ['--import', PRELOAD], ipc: true });
    const app = new ConsumerApp(child);
    const { port } = await child.receives<FromConsumer & { type: 'ready' }>(({ type }) => type === 'ready');
    app.port = port;
    app.list(lists);
    return app;
  }

  list(lists: Lists, stale?: Lists): void {
    this.#child.send({ type: 'lists', lists, ...(stale && { stale }) });
  }

  /** Resolves with the answer of the operation of this name. */
  async run<T>(name: string, input: object = {}): Promise<T> {
    const id = ++this.#id;
    const answer = this.#child.receives<FromConsumer & { type: 'result' }>(
      (received) => received.type === 'result' && received.id === id,
      LONGEST_RUN_MS,
    );
    this.#child.send({ type: 'run', id, name, input });
    const { value, error } = await answer;
    if (error !== undefined) throw new Error(error);
    return value as T;
  }

  stop(): Promise<void> {
    return this.#child.destroy();
  }
}
