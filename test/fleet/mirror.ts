import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeEntry, isAlive } from '../../src/registry/entry.ts';

/** Interval of looks at the directories, in milliseconds. */
const LOOK_MS = 20;

/**
 * A second `file:` registry that shows one service of the first some time later, as lists of a real registry lag. Its entries name
 * this process, so an entry stays for its time even when its instance has ended. Everything else goes from the second to the first
 * at once.
 */
export class Mirror {
  readonly #first: string;
  readonly #second: string;
  readonly #service: string;
  readonly #lagMs: number;
  #isLagging = false;
  /** Entries of the first registry at the last look. */
  #seen = new Map<string, string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #looking: NodeJS.Timeout;

  constructor(first: string, second: string, service: string, lagMs: number) {
    this.#first = first;
    this.#second = second;
    this.#service = service;
    this.#lagMs = lagMs;
    mkdirSync(join(second, service), { recursive: true });
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
  }

  /** From now on changes show late; until then at once. */
  lag(): void {
    this.#isLagging = true;
  }

  close(): void {
    clearInterval(this.#looking);
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #look(): void {
    const now = living(join(this.#first, this.#service));
    const shown = join(this.#second, this.#service);
    for (const [name, text] of now) {
      const vouched = JSON.stringify({ ...JSON.parse(text), pid: process.pid, started: 0 });
      if (this.#seen.get(name) !== text) this.#later(() => write(shown, name, vouched));
    }
    for (const name of this.#seen.keys())
      if (!now.has(name)) this.#later(() => rmSync(join(shown, name), { force: true }));
    this.#seen = now;
    for (const service of namesIn(this.#second))
      if (service !== this.#service && service !== TEMPORARY) this.#back(service);
  }

  /** Copies entries of consumers into the first registry. */
  #back(service: string): void {
    const [from, to] = [join(this.#second, service), join(this.#first, service)];
    mkdirSync(to, { recursive: true });
    const entries = living(from);
    for (const [name, text] of entries) if (!namesIn(to).includes(name)) write(to, name, text);
    for (const name of namesIn(to)) if (!entries.has(name)) rmSync(join(to, name), { force: true });
  }

  #later(work: () => void): void {
    if (!this.#isLagging) {
      work();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, this.#lagMs);
    this.#timers.add(timer);
  }
}

const TEMPORARY = '.writing';

/** The entries of a directory whose processes live, as text, by file name. */
function living(directory: string): Map<string, string> {
  const entries = new Map<string, string>();
  for (const name of namesIn(directory)) {
    try {
      const text = readFileSync(join(directory, name), 'utf8');
      if (isAlive(decodeEntry(text))) entries.set(name, text);
    } catch {
      // The file is being written, or was removed meanwhile.
    }
  }
  return entries;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function write(directory: string, name: string, text: string): void {
  const aside = join(directory, '..', TEMPORARY);
  mkdirSync(aside, { recursive: true });
  writeFileSync(join(aside, name), text);
  renameSync(join(aside, name), join(directory, name));
}
