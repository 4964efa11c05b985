import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

/** Node.js lines the tests run on: the long-term ones and the oldest supported one. */
export const NODES = {
  '26': nodeOf('../node-26/'),
  '24': nodeOf('../../../'),
  '22.19': nodeOf('../node-22/'),
} as const;

/** A Node.js line. */
export type NodeLine = keyof typeof NODES;

export const LINES = Object.keys(NODES) as readonly NodeLine[];

/** The line that runs the tests; children run on it unless a test says otherwise. */
export const LINE: NodeLine = LINES.find((line) => process.versions.node.startsWith(`${line}.`)) ?? '24';

function nodeOf(folder: string): string {
  return fileURLToPath(new URL(`${folder}node_modules/node/bin/node`, import.meta.url));
}

/** How a child ended: one of the two is null, as the operating system reports it. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  /** Added to an environment that holds only PATH and HOME, so that no setting of the test run leaks in. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Longest wait for a line or an exit, in milliseconds: generous, as machines that run tests are busy. */
const PATIENCE_MS = 30_000;

/**
 * A child process with its output. It leads its own process group, so that whatever it starts is ended with it; only
 * `signal` reaches it alone.
 */
export class Child {
  readonly process: ChildProcess;
  /** Resolves when it has ended and its output is complete. */
  readonly ended: Promise<Ending>;
  #stdout = '';
  #stderr = '';
  #hasEnded = false;

  constructor(command: string, args: readonly string[], { env = {}, cwd }: ChildOptions = {}) {
    const { PATH = '', HOME = '' } = process.env;
    this.process = spawn(command, args, { env: { PATH, HOME, ...env }, cwd, detached: true, stdio: 'pipe' });
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

  /** Resolves with the first match in either output, also one already written; rejects when the child ends without it. */
  async sees(pattern: RegExp, withinMs: number = PATIENCE_MS): Promise<RegExpMatchArray> {
    const find = () => this.#stdout.match(pattern) ?? this.#stderr.match(pattern);
    try {
      await until(() => this.#hasEnded || find() !== null, withinMs);
    } catch {
      // Told below.
    }
    const found = find();
    if (found === null)
      throw new Error(`${this.#hasEnded ? 'ended' : `ran ${withinMs} ms`} without ${pattern}${this.#transcript()}`);
    return found;
  }

  /** Resolves with how it ended; rejects when it still runs after `withinMs`. */
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

  /** Ends it and its process group, whatever they do. */
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

/** Starts children that are ended after each test. */
export interface Children {
  /** Runs a file of this repository (a URL, or a path) under Node.js; TypeScript runs as it is. */
  node(
    file: URL | string,
    options?: ChildOptions & {
      readonly line?: NodeLine;
      readonly args?: readonly string[];
      /** Arguments of Node.js itself. */
      readonly nodeArgs?: readonly string[];
    },
  ): Child;
  /** Runs any command. */
  run(command: string, args: readonly string[], options?: ChildOptions): Child;
}

/** Call once at the top of a test file: the children it starts are ended after each test. */
export function useChildren(): Children {
  const children = new Set<Child>();
  const run: Children['run'] = (command, args, options) => {
    const child = new Child(command, args, options);
    children.add(child);
    return child;
  };
  afterEach(async () => {
    await Promise.all([...children].map((child) => child.destroy()));
    children.clear();
  });
  return {
    run,
    node: (file, { line = LINE, args = [], nodeArgs = [], ...options } = {}) =>
      run(
        NODES[line],
        [
          '--disable-warning=ExperimentalWarning',
          ...nodeArgs,
          file instanceof URL ? fileURLToPath(file) : file,
          ...args,
        ],
        options,
      ),
  };
}

/** Resolves when `holds` does, asking every 10 ms; rejects after `withinMs`. For what no event tells. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs: number = PATIENCE_MS): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() >= deadline) throw new Error(`${holds} did not hold within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Whether a process runs; one that has ended and waits to be reaped does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
