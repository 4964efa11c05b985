import { type Json, objectOf, parseJson } from '../../json.ts';
import { jitter } from '../../lifecycle/backoff.ts';
import { type Clock, sleep } from '../../lifecycle/clock.ts';
import type { Answer, Call, HttpClient } from '../http.ts';

/** Longest time for a list of everything, in milliseconds. */
const ALL_TIMEOUT_MS = 10_000;

/** Longest time between two reads of changes, in milliseconds: a server keeps a change for three minutes, and may answer with those of half a minute ago. */
const CHANGES_MS = 120_000;

/** Statuses of `/apps/delta` when the server has switched it off. */
const NO_DELTA = [403, 404];

export interface EurekaApplicationsOptions {
  readonly clock: Clock;
  readonly http: HttpClient;
  /** Base of the paths, for example `/eureka`. */
  readonly base: string;
  /** Interval of polls, in milliseconds. */
  readonly pollMs: number;
}

interface Entry {
  readonly instanceId?: unknown;
  readonly hostName?: unknown;
  readonly status?: unknown;
  readonly actionType?: unknown;
}

interface Known {
  /** By application and id. For applications without a follower only the status is kept. */
  readonly apps: Map<string, Map<string, Entry>>;
  /** Number of followed applications at the read. */
  readonly followed: number;
}

/**
 * All applications, shared by all watches of this process: read completely once, then updated by one poll of the changes of the
 * last three minutes. The server's count of instances by status shows whether both sides agree; if not, and after any failure,
 * all are read again.
 */
export class EurekaApplications {
  readonly #options: EurekaApplicationsOptions;
  readonly #ending = new AbortController();
  readonly #followed = new Set<string>();
  #known: Known | undefined;
  /** Time of the read, by the wall clock, which runs while the machine sleeps; undefined after a failure. */
  #readAt: number | undefined;
  #reading: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(options: EurekaApplicationsOptions) {
    this.#options = options;
  }

  /** Keeps the entries of an application from the next read on. */
  follow(app: string): void {
    this.#followed.add(app);
  }

  /** From the last read. */
  entriesOf(app: string): readonly unknown[] {
    return [...(this.#known?.apps.get(app)?.values() ?? [])];
  }

  /** Resolves when a call sent after this one has read them. @throws HttpError */
  async refresh(): Promise<void> {
    await this.#reading?.catch(() => {});
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  /** Resolves after the next poll, which all waiting callers share. @throws HttpError */
  async next(): Promise<void> {
    this.#next ??= sleep(this.#options.clock, jitter(this.#options.pollMs), this.#ending.signal)
      .then(() => this.refresh())
      .finally(() => {
        this.#next = undefined;
      });
    await this.#next;
  }

  /** Ends a read in flight, and the wait for the next one; later ones fail. */
  close(): void {
    this.#ending.abort();
  }

  async #read(): Promise<void> {
    const startedAt = this.#options.clock.wall();
    const known = this.#isSound(startedAt) ? this.#known : undefined;
    this.#readAt = undefined;
    this.#known = (known && (await this.#change(known))) ?? (await this.#all());
    this.#readAt = startedAt;
  }

  /** Whether the changes cover the whole time since the last read. */
  #isSound(now: number): boolean {
    return (
      this.#readAt !== undefined &&
      Math.abs(now - this.#readAt) <= CHANGES_MS &&
      this.#known?.followed === this.#followed.size
    );
  }

  async #all(): Promise<Known> {
    const { text } = await this.#get('/apps', { timeoutMs: ALL_TIMEOUT_MS });
    const known: Known = { apps: new Map(), followed: this.#followed.size };
    this.#merge(known, readApplications(text).apps);
    return known;
  }

  /** @returns undefined when it does not agree with the server afterwards */
  async #change(known: Known): Promise<Known | undefined> {
    const { status, text } = await this.#get('/apps/delta', { expected: NO_DELTA });
    if (NO_DELTA.includes(status)) return undefined;
    const { apps, hash } = readApplications(text);
    this.#merge(known, apps);
    return hashOf(known) === hash ? known : undefined;
  }

  #get(path: string, call: Partial<Call>): Promise<Answer> {
    const { http, base } = this.#options;
    return http.send({ method: 'GET', path: `${base}${path}`, signal: this.#ending.signal, ...call });
  }

  #merge({ apps }: Known, changes: readonly Application[]): void {
    for (const { name, entries } of changes) {
      const app = apps.get(name) ?? new Map<string, Entry>();
      apps.set(name, app);
      for (const entry of entries)
        if (entry.actionType === 'DELETED') app.delete(idOf(entry));
        else app.set(idOf(entry), this.#followed.has(name) ? entry : { status: entry.status });
      if (app.size === 0) apps.delete(name);
    }
  }
}

interface Application {
  readonly name: string;
  readonly entries: readonly Entry[];
}

/** Reads an answer of `/apps` or `/apps/delta`. @throws Error when it is none */
function readApplications(text: string): { readonly apps: readonly Application[]; readonly hash: unknown } {
  const { applications } = record(parseJson(text, 'the answer'));
  const { application, apps__hashcode: hash } = record(applications);
  const apps = listOf(application).map((app) => ({ name: String(record(app)['name']), entries: entriesOf(app) }));
  return { apps, hash };
}

/** The entries of an application. @throws Error when it is none */
export function entriesOf(application: unknown): readonly Entry[] {
  return listOf(record(application)['instance']).map(record);
}

/** In the JSON of old servers a list of one is a single value. */
function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : value === undefined ? [] : [value];
}

function record(value: unknown): Json {
  return objectOf(value, 'the list of applications or a part of it');
}

function idOf({ instanceId, hostName }: Entry): string {
  return String(instanceId ?? hostName);
}

/** `DOWN_1_UP_3_`: number of instances by status, in the form that the server sends with the changes. */
function hashOf({ apps }: Known): string {
  const counts = new Map<string, number>();
  for (const app of apps.values())
    for (const { status } of app.values()) counts.set(String(status), (counts.get(String(status)) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([status, count]) => `${status}_${count}_`)
    .join('');
}
