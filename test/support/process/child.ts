import { type ChildProcess, type Serializable, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PATIENCE_MS, until } from '../until.ts';
import { LINE, NODES, type NodeLine } from './node-lines.ts';

const { NODE_COMPILE_CACHE } = process.env;

/** The cache of compiled code, for every child. */
const CACHE = NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };

/** Arguments of Node.js that keep what a child has compiled. */
const KEEPS =
  NODE_COMPILE_CACHE === undefined ? [] : [`--import=${new URL('keep-compiled.mjs', import.meta.url).href}`];

/** How a child ended; one of the two is null. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  /** Added to an environment that holds only PATH, HOME and the cache of compiled code, so that no setting of the test run leaks in. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Opens a channel for messages. Default: none. */
  readonly ipc?: boolean;
}

export interface NodeOptions extends ChildOptions {
  readonly line?: NodeLine;
  readonly args?: readonly (string | number | boolean)[];
  /** Arguments of Node.js itself. */
  readonly nodeArgs?: readonly string[];
}

/**
 * A child process with its output. It leads its own process group, so that `destroy` ends its own children too; `signal` reaches
 * the child alone.
 */
export class Child {
  readonly process: ChildProcess;
  /** Resolves when it has ended and its output is complete. */
  readonly ended: Promise<Ending>;
  #stdout = '';
  #stderr = '';
  #hasEnded = false;

  constructor(command: string, args: readonly string[], { env = {}, cwd, ipc = false }: ChildOptions = {}) {
    const { PATH = '', HOME = '' } = process.env;
    const stdio = ['pipe', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])] as const;
    this.process = spawn(command, args, {
      env: { PATH, HOME, ...CACHE, ...env },
      cwd,
      detached: true,
      stdio: [...stdio],
    });
    // A child that has ended does not read.
    this.process.stdin?.on('error', () => {});
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      this.process.once('close', (code, signal) => resolve({ code, signal }));
    });
    this.ended
      .catch(() => {})
      .then(() => {
        this.#hasEnded = true;
      });
  }

  /** Runs a file of this repository (a URL, or a path) under Node.js, TypeScript too. */
  static node(file: URL | string, { line = LINE, args = [], nodeArgs = [], ...options }: NodeOptions = {}): Child {
    const path = file instanceof URL ? fileURLToPath(file) : file;
    const flags = ['--disable-warning=ExperimentalWarning', ...KEEPS, ...nodeArgs];
    return new Child(NODES[line], [...flags, path, ...args.map(String)], options);
  }

  get pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error(`${this.process.spawnfile} did not start`);
    return pid;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Lines of standard output, the last unfinished one included. */
  get lines(): readonly string[] {
    return this.#stdout.split('\n').filter((line) => line !== '');
  }

  /** Sends a signal to this process only. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Writes a line to its standard input; no error when the child has ended. */
  say(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  /** Sends a message; no error when the child has ended. */
  send(message: Serializable): void {
    this.process.send?.(message, () => {});
  }

  /** Resolves with the next message for which `is` holds, by default any; rejects when the child ends without it. */
  receives<T extends object>(is: (message: T) => boolean = () => true, withinMs: number = PATIENCE_MS): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const fail = (why: string): void => reject(new Error(`${why} without the message${this.#transcript()}`));
    const take = (message: unknown): void => {
      if (is(message as T)) resolve(message as T);
    };
    const end = (): void => fail('ended');
    const timer = setTimeout(() => fail(`ran ${withinMs} ms`), withinMs);
    this.process.on('message', take).once('close', end).once('error', end);
    return promise.finally(() => {
      clearTimeout(timer);
      this.process.off('message', take).off('close', end).off('error', end);
    });
  }

  /** Resolves with the first match in either output, also one already written; rejects when the child ends without it. */
  async sees(pattern: RegExp, withinMs: number = PATIENCE_MS): Promise<RegExpMatchArray> {
    const find = () => this.#stdout.match(pattern) ?? this.#stderr.match(pattern);
    try {
      await until(() => this.#hasEnded || find() !== null, withinMs);
    } catch {
      // The check below reports it.
    }
    const found = find();
    if (found === null)
      throw new Error(`${this.#hasEnded ? 'ended' : `ran ${withinMs} ms`} without ${pattern}${this.#transcript()}`);
    return found;
  }

  /** Resolves with its ending; rejects when it still runs after `withinMs`. */
  async ends(withinMs: number = PATIENCE_MS): Promise<Ending> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`still runs after ${withinMs} ms${this.#transcript()}`)),
      withinMs,
    );
    try {
      return await Promise.race([this.ended, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills it and its process group. */
  async destroy(): Promise<void> {
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // The group has ended already.
    }
    await this.ended.catch(() => {});
  }

  #transcript(): string {
    return `\n--- stdout\n${this.#stdout}--- stderr\n${this.#stderr}`;
  }
}
