import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { processEnvironment } from '../../config/process-env.ts';
import { objectIn } from '../../json.ts';
import { systemClock } from '../../lifecycle/clock.ts';
import { within } from '../../lifecycle/within.ts';

/** Interval of readiness probes, in milliseconds. */
const READY_EVERY_MS = 100;

/** Longest wait for a process to be ready or to end, in milliseconds. */
const PATIENCE_MS = 45_000;

/** The process to start. */
export interface MemberOptions {
  /** Its name in messages, for example `base service-c`. */
  readonly name: string;
  /** A file beside this one, without its extension. */
  readonly program: 'service' | 'entry-service';
  /** Arguments of the program. */
  readonly args: readonly string[];
  /** Its configuration. Variables of the shell that configure the plugin or an SDK are left out. */
  readonly env: Readonly<Record<string, string>>;
  /** Host of its control server; undefined without the plugin. */
  readonly controlHost: string | undefined;
  readonly message: (text: string) => void;
}

/** One process of a set, from its fork to its end. */
export class Member {
  readonly #options: MemberOptions;
  readonly #child: ChildProcess;
  readonly #controlPort = Promise.withResolvers<number>();
  /** Resolves with its end, in words. */
  readonly #ended: Promise<string>;

  constructor(options: MemberOptions) {
    const { args, env, message, name, program } = options;
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const child = fork(fileURLToPath(new URL(`./${program}.${extension}`, import.meta.url)), args, {
      env: { ...bareEnvironment(), ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#options = options;
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(`ended with ${signal ?? code}`));
      child.once('error', ({ message: reason }) => resolve(`did not start (${reason})`));
    });
    createInterface({ input: child.stderr as Readable }).on('line', (line) => {
      const [, port] = /control server listens on port (\d+)/.exec(line) ?? [];
      if (port !== undefined) this.#controlPort.resolve(Number(port));
      if (isWorthShowing(line)) message(`${name}: ${line}`);
    });
  }

  /** Resolves with its port when it takes requests. @throws Error when it ends instead, or takes too long */
  ready(): Promise<number> {
    const { name } = this.#options;
    const instead = this.#ended.then((how) => {
      throw new Error(`${name} ${how} before it was ready`);
    });
    return inTime(Promise.race([this.#listening(), instead]), `${name} was not ready`);
  }

  /** Sends SIGTERM and waits for the end. @throws Error when it has ended by itself, or takes too long */
  async leave(): Promise<void> {
    const { name } = this.#options;
    if (this.#hasEnded) throw new Error(`${name} ${await this.#ended} before it was told to leave`);
    this.#child.kill('SIGTERM');
    await inTime(this.#ended, `${name} did not end`);
  }

  /** Ends it, whatever it does. */
  async kill(): Promise<void> {
    if (!this.#hasEnded) this.#child.kill('SIGKILL');
    await this.#ended;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits until it is ready, as a platform does before it stops an old instance. */
  async #listening(): Promise<number> {
    const { controlHost } = this.#options;
    const [{ port }] = (await once(this.#child, 'message')) as [{ port: number }];
    if (controlHost === undefined) return port;
    const readiness = `http://${controlHost}:${await this.#controlPort.promise}/readiness`;
    while (!(await fetch(readiness)).ok) await setTimeout(READY_EVERY_MS);
    return port;
  }
}

/** @throws Error naming `what` when it takes too long */
function inTime<T>(happened: Promise<T>, what: string): Promise<T> {
  return within(systemClock, PATIENCE_MS, happened, () => {
    throw new Error(`${what} within ${PATIENCE_MS / 1_000} s`);
  });
}

/** False for the plugin's own lines below a warning. */
function isWorthShowing(line: string): boolean {
  if (!line.startsWith('{')) return line.trim() !== '';
  return objectIn(line)?.['level'] !== 30;
}

/** Variables that configure the plugin or an SDK, or preload something. */
const CONFIGURES = /^(LOSSLESS_|OTEL_|NODE_OPTIONS$|TRACEPARENT$)/;

/** The environment of the shell without its configuration of a set. */
function bareEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(processEnvironment()).filter(([name]) => !CONFIGURES.test(name)));
}
