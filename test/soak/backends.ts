import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Collector } from '../../collector/server/server.ts';
import { embeddedCollector } from '../support/embedded-collector.ts';
import { FaultProxy } from '../support/fakes/fault-proxy.ts';
import { registryIn } from '../support/process/plugin-env.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Etcd } from '../support/servers/etcd.ts';
import type { ChaosName } from './plan.ts';

/** Size of the disk that holds the spool, in bytes. */
const DISK_BYTES = 4 * 1_024 * 1_024;

/** Bounds of the trace store: those of a night. */
const MOST_BYTES = 2 ** 32;
const LONGEST_MS = 365 * 86_400_000;

/** Where callers have their control servers, so that a proxy can stand before them on 127.0.0.1. */
export const BEHIND = '127.0.0.2';

/** Files of spans, metrics and last wills; the other files name running instances and called services. */
const WAITING = /^\d.*\.(json|metrics|leaving)(\.sending)?$/;

/** The servers that a process reaches through proxies; a proxy stands before a caller too. */
export interface Link {
  readonly collector: FaultProxy;
  readonly registry: FaultProxy | undefined;
  readonly control: FaultProxy | undefined;
}

/** The collector, the registry and the disk of a fleet. */
export class Backends {
  readonly collector: Collector;
  /** Why a chaos cannot be played here. */
  readonly lacks: Partial<Record<ChaosName, string>> = {};
  readonly links: Link[] = [];
  readonly #folder: string;
  readonly #etcd: Etcd | undefined;

  private constructor(folder: string, collector: Collector, etcd: Etcd | undefined) {
    this.#folder = folder;
    this.collector = collector;
    this.#etcd = etcd;
  }

  /** @param isOwn whether this process has its own mounts */
  static async open(folder: string, isOwn: boolean): Promise<Backends> {
    const missing = serverMissing('etcd');
    const database = join(folder, 'traces.sqlite');
    const collector = await embeddedCollector({ database, maxAgeMs: LONGEST_MS, maxBytes: MOST_BYTES });
    const backends = new Backends(folder, collector, missing ? undefined : await Etcd.start());
    if (missing) backends.#lack(missing, 'registry_dead', 'registry_silent');
    mkdirSync(backends.#disk);
    if (isOwn) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'soak', backends.#disk]);
    else backends.#lack('no mounts of its own (unshare)', 'disk_full');
    return backends;
  }

  get spoolDir(): string {
    return join(this.#disk, 'spool');
  }

  /** Stands between one process, or several, and the rest. */
  async link(isCaller: boolean): Promise<Link> {
    const etcd = this.#etcd;
    const link: Link = {
      collector: await FaultProxy.start(Number(new URL(this.collector.otlpUrl).port)),
      registry: etcd && (await FaultProxy.start(etcd.port)),
      control: isCaller ? await FaultProxy.start(0, false, BEHIND) : undefined,
    };
    this.links.push(link);
    return link;
  }

  registryOf({ registry }: Link): string {
    return registry === undefined ? registryIn(this.#folder) : `etcd://127.0.0.1:${registry.port}`;
  }

  /** Writes until nothing more fits. @returns what makes room again */
  fillDisk(): () => void {
    const path = join(this.#disk, 'full');
    const file = openSync(path, 'w');
    const chunk = Buffer.alloc(4_096);
    try {
      for (;;) writeSync(file, chunk);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
    } finally {
      closeSync(file);
    }
    return () => rmSync(path);
  }

  /** Files beside the spool and in it. */
  get files(): readonly string[] {
    return filesIn(this.#disk);
  }

  /** Files that wait to be sent. */
  get spooled(): readonly string[] {
    return this.files.filter((name) => WAITING.test(name));
  }

  /** What the registry holds. */
  async entries(): Promise<number> {
    if (this.#etcd === undefined) return filesIn(join(this.#folder, 'registry')).length;
    const all = { key: btoa('/microservices/'), range_end: btoa('/microservices0'), count_only: true };
    return Number((await this.#etcd.call('/v3/kv/range', all))['count'] ?? 0);
  }

  async close(): Promise<void> {
    const proxies = this.links.flatMap(({ collector, control, registry }) => [collector, control, registry]);
    await Promise.all(proxies.map((proxy) => proxy?.close()));
    await this.#etcd?.close();
    await this.collector.close();
    if (this.lacks.disk_full === undefined) execFileSync('umount', [this.#disk]);
  }

  get #disk(): string {
    return join(this.#folder, 'disk');
  }

  #lack(why: string, ...names: readonly ChaosName[]): void {
    for (const name of names) this.lacks[name] = why;
  }
}

function filesIn(directory: string): readonly string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
