import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processEnvironment } from '../../config/process-env.ts';
import { LosslessError } from '../../errors.ts';
import { nginxIn } from './template.ts';

/** Longest wait until a proxy takes connections, in milliseconds. */
const PATIENCE_MS = 10_000;

/** Most characters that are kept of a proxy's complaints. */
const MOST_COMPLAINTS = 2_000;

/** Runs a command until standard input ends. That happens whenever the demo ends, however it ends. */
const UNTIL_INPUT_ENDS = '"$@" & read -r _; kill $!; wait';

const PROXIES = ['haproxy', 'nginx'] as const;

/** A proxy of the demo. */
export type ProxyName = (typeof PROXIES)[number];

/** The paths of the proxies. @throws LosslessError LOSSLESS_DEMO_PROGRAM when one is missing */
export function programs(): Readonly<Record<ProxyName, string>> {
  const [haproxy, nginx] = PROXIES.map(onPath);
  if (haproxy !== undefined && nginx !== undefined) return { haproxy, nginx };
  const missing = PROXIES.filter((name) => onPath(name) === undefined).join(', ');
  throw new LosslessError(
    'LOSSLESS_DEMO_PROGRAM',
    `demo --entry runs haproxy and nginx; missing on PATH: ${missing}. Install what is missing: apt-get install haproxy nginx, dnf install haproxy nginx, apk add haproxy nginx or brew install haproxy nginx. Where they are in /usr/sbin, add that to PATH`,
  );
}

function onPath(name: string): string | undefined {
  const folders = (processEnvironment()['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The proxy to start. */
export interface ProxyOptions {
  readonly name: ProxyName;
  readonly config: string;
  /** Directory for its files, shared with no other proxy. */
  readonly directory: string;
  /** Port on 127.0.0.1. */
  readonly port: number;
}

/** One running proxy. */
export class DemoProxy {
  readonly #options: ProxyOptions;
  readonly #child: ChildProcess;
  #complaints = '';

  constructor(options: ProxyOptions) {
    const { config, directory, name } = options;
    this.#options = options;
    mkdirSync(directory, { recursive: true });
    const file = join(directory, `${name}.conf`);
    writeFileSync(file, name === 'nginx' ? nginxIn(directory, config) : config);
    const command = [programs()[name], ...ARGUMENTS[name](file, directory)];
    // A process group of its own, because the demo gets an interrupt first and ends the proxy last.
    this.#child = spawn('sh', ['-c', UNTIL_INPUT_ENDS, 'sh', ...command], {
      env: processEnvironment(),
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-MOST_COMPLAINTS);
    });
  }

  /** Resolves when the proxy takes connections. @throws Error with its complaints when it takes none */
  async ready(): Promise<void> {
    const { name, port } = this.#options;
    for (const until = performance.now() + PATIENCE_MS; performance.now() < until; await sleep(50))
      if (await takes(port)) return;
    throw new Error(`${name} takes no connection within ${PATIENCE_MS / 1_000} s: ${this.#complaints.trim()}`);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin?.end();
    await once(this.#child, 'exit');
  }
}

/** Arguments that run each in the foreground. */
const ARGUMENTS: Readonly<Record<ProxyName, (file: string, directory: string) => readonly string[]>> = {
  haproxy: (file) => ['-db', '-f', file],
  nginx: (file, directory) => {
    // Workers of another user could not read the status file.
    const user = process.getuid?.() === 0 ? ' user root root;' : '';
    return ['-p', directory, '-c', file, '-e', 'stderr', '-g', `daemon off;${user}`];
  },
};

function takes(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
