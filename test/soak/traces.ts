import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JaegerClient } from '../../src/cli/jaeger-client.ts';
import { command as replay } from '../../src/cli/replay.ts';
import { ATTR } from '../../src/trace/model/schema.ts';
import type { Trace } from '../../src/trace/model/trace.ts';
import { assess } from '../../src/trace/model/verdict.ts';
import { pause } from '../support/until.ts';
import type { Backends } from './backends.ts';
import { now } from './member.ts';
import type { Life, Shutdown, TraceState } from './observed.ts';

/** Longest time after a shutdown in which a process reports lost spans, in milliseconds. */
const SAID_MS = 60_000;

/** How long a trace is asked for again and again, and then once more at the end, in milliseconds. */
const ASKED_MS = 120_000;

/** Longest wait for the last spans, in milliseconds: a collector that does not answer is waited for by their senders. */
const LAST_MS = 30_000;

/** A shutdown whose trace may still be incomplete. */
export interface Left extends Pick<Shutdown, 'chaos' | 'durationMs' | 'name' | 'step'> {
  readonly life: Life;
  /** Undefined when the process announced none. */
  readonly traceId: string | undefined;
}

/** Asks the collector for the trace of every shutdown until it is whole. */
export class Traces {
  readonly shutdowns: Shutdown[] = [];
  readonly #backends: Backends;
  readonly #jaeger: JaegerClient;
  #open: Left[] = [];

  constructor(backends: Backends) {
    this.#backends = backends;
    this.#jaeger = new JaegerClient(new URL(backends.collector.queryUrl));
  }

  add(left: Left): void {
    this.#open.push(left);
  }

  /** Records the traces that are whole by now. */
  async settle(withinMs = ASKED_MS): Promise<void> {
    const since = now() - withinMs;
    for (const left of this.#open.filter(({ life }) => (life.endedAt ?? 0) >= since)) {
      const trace = await this.#find(left);
      if (trace === undefined || !assess(trace).whole) continue;
      this.#open = this.#open.filter((each) => each !== left);
      this.#close(left, trace, 'whole');
    }
  }

  /** Sends what waits in the spool, waits for the last spans, and judges what is then not whole. Those traces are kept in `folder`. */
  async end(lives: readonly Life[], folder: string): Promise<void> {
    const deadline = now() + LAST_MS;
    for (;;) {
      await this.#replay();
      await this.settle(Number.POSITIVE_INFINITY);
      if (this.#open.every(({ traceId }) => traceId === undefined) || now() >= deadline) break;
      await pause(1_000);
    }
    for (const left of this.#open) {
      const trace = (await this.#find(left)) ?? { traceId: left.traceId ?? '', spans: [] };
      this.#close(left, trace, stateOf(left, trace, lives));
      mkdirSync(join(folder, 'traces'), { recursive: true });
      writeFileSync(join(folder, 'traces', `${left.name}.json`), JSON.stringify(trace, undefined, 2));
    }
    this.#open = [];
  }

  /** Sends what waits in the spool. Its files name the proxies before the collector, so those of every target are sent. */
  async #replay(): Promise<void> {
    const { collector, spoolDir } = this.#backends;
    const silent = (): void => {};
    const args = ['--dir', spoolDir, '--otlp', collector.otlpUrl, '--all'];
    await replay.run(args, { out: silent, err: silent, color: false, width: 200 });
  }

  async #find({ traceId }: Left): Promise<Trace | undefined> {
    return traceId === undefined ? undefined : this.#jaeger.trace(traceId).catch(() => undefined);
  }

  #close({ chaos, durationMs, name, step }: Left, found: Trace, trace: TraceState): void {
    const { problems, result } = assess(found);
    this.shutdowns.push({ chaos, durationMs, name, step, result, trace, problems });
  }
}

/** Why a trace is not whole: what those say who owed spans of it, the instance and the consumers that it told. */
export function stateOf({ life }: Left, { spans }: Trace, lives: readonly Life[]): TraceState {
  const told = spans.map(({ tags }) => String(tags[ATTR.consumerInstanceId] ?? ''));
  const owed = lives.filter(({ name, pid }) => name === life.name || told.some((id) => isOf(id, pid)));
  const from = life.leftAt ?? 0;
  const isMeanwhile = (at: number): boolean => at >= from && at <= (life.endedAt ?? from) + SAID_MS;
  if (owed.some(({ lostAt }) => lostAt.some(isMeanwhile))) return 'said';
  if (owed.some(({ killedAt }) => killedAt !== undefined && isMeanwhile(killedAt))) return 'killed';
  return 'silent';
}

/** Whether an instance id belongs to a process. */
function isOf(instanceId: string, pid: number): boolean {
  return instanceId.split(':').includes(`${pid}`);
}
