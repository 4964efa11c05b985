import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Instance } from '../../../src/registry/registry.ts';
import type { FromConsumer, Lists } from '../../fixtures/consumer/wire.ts';

const path = (name: string): string => fileURLToPath(new URL(`../../fixtures/consumer/${name}`, import.meta.url));

/** Ends a child and waits for it. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function message<T>(child: ChildProcess, is: (message: never) => boolean): Promise<T> {
  for (;;) {
    const [received] = (await once(child, 'message', { signal: AbortSignal.timeout(30_000) })) as [never];
    if (is(received)) return received;
  }
}

/** A service instance in a process of its own. */
export class Provider {
  readonly #child: ChildProcess;
  readonly instance: Instance;
  #id = 0;
  held = 0;

  private constructor(child: ChildProcess, instance: Instance) {
    this.#child = child;
    this.instance = instance;
    child.on('message', (received: { type: string; count?: number }) => {
      if (received.type === 'held') this.held = received.count ?? 0;
    });
  }

  static async start(instanceId: string, some: Partial<Instance> = {}, env: NodeJS.ProcessEnv = {}): Promise<Provider> {
    const child = fork(path('provider.ts'), [instanceId], { env: { ...process.env, ...env } });
    const { port } = await message<{ port: number }>(child, ({ type }: { type: string }) => type === 'ready');
    return new Provider(child, {
      service: 'service-b',
      instanceId,
      generation: 1,
      host: '127.0.0.1',
      port,
      scheme: 'http',
      weight: 100,
      registeredAt: Date.now() - 3_600_000,
      metadata: {},
      ...some,
    });
  }

  async tell(type: 'state' | 'release' | 'mark', more: object = {}): Promise<{ served: number; sockets: number }> {
    const id = ++this.#id;
    const answer = message<{ served: number; sockets: number }>(
      this.#child,
      (received: { id?: number }) => received.id === id,
    );
    this.#child.send({ type, id, ...more });
    return answer;
  }

  stop(): Promise<void> {
    return end(this.#child);
  }
}

/** An instance that drops whatever is sent to it. */
export class Hole {
  readonly #child: ChildProcess;
  readonly #fill: readonly Socket[];
  readonly instance: Instance;

  private constructor(child: ChildProcess, fill: readonly Socket[], instance: Instance) {
    this.#child = child;
    this.#fill = fill;
    this.instance = instance;
  }

  static async start(like: Instance, instanceId: string): Promise<Hole> {
    const child = fork(path('hole.ts'));
    const { port } = await message<{ port: number }>(child, ({ type }: { type: string }) => type === 'ready');
    // Two have room in its queue; others take the place of what it has taken before it stopped.
    const fill = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}));
    await Promise.all(fill.slice(0, 2).map((socket) => once(socket, 'connect')));
    return new Hole(child, fill, { ...like, instanceId, port });
  }

  async stop(): Promise<void> {
    for (const socket of this.#fill) socket.destroy();
    await end(this.#child);
  }
}

/** An application with the consumer half. */
export class App {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (result: FromConsumer & { type: 'result' }) => void>();
  readonly logs: { message: string; code?: string }[] = [];
  readonly records: { kind: string; attributes?: Record<string, unknown>; [field: string]: unknown }[] = [];
  port = 0;
  #id = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (received: FromConsumer) => {
      if (received.type === 'result') this.#waiting.get(received.id)?.(received);
      if (received.type === 'log') this.logs.push(received);
      if (received.type === 'record') this.records.push(received.record as never);
    });
    child.on('exit', (code, signal) => {
      for (const [id, answer] of this.#waiting)
        answer({ type: 'result', id, error: `the process ended: ${code ?? signal}` });
    });
  }

  static async start(
    lists: Lists,
    { env = {}, execPath = process.execPath }: { env?: NodeJS.ProcessEnv; execPath?: string } = {},
  ): Promise<App> {
    const child = fork(path('app.ts'), {
      execPath,
      execArgv: ['--import', path('preload.ts')],
      env: { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning', ...env },
    });
    const app = new App(child);
    const { port } = await message<{ port: number }>(child, ({ type }: { type: string }) => type === 'ready');
    app.port = port;
    app.list(lists);
    return app;
  }

  list(lists: Lists, stale?: Lists): void {
    this.#child.send({ type: 'lists', lists, ...(stale && { stale }) });
  }

  async run<T>(name: string, input: object = {}): Promise<T> {
    const id = ++this.#id;
    const { promise, resolve } = Promise.withResolvers<FromConsumer & { type: 'result' }>();
    this.#waiting.set(id, resolve);
    this.#child.send({ type: 'run', id, name, input });
    const { value, error } = await promise;
    this.#waiting.delete(id);
    if (error !== undefined) throw new Error(error);
    return value as T;
  }

  stop(): Promise<void> {
    return end(this.#child);
  }
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean | Promise<boolean>, mostMs = 20_000): Promise<void> {
  const deadline = performance.now() + mostMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`still not after ${mostMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
