import { JaegerClient } from '../../src/cli/jaeger-client.ts';
import { spanName } from '../../src/trace/model/schema.ts';
import { assess, isLossless, type Verdict } from '../../src/trace/model/verdict.ts';
import { pathOf } from '../support/kubernetes/manifest.ts';
import type { Pod } from '../support/kubernetes/objects.ts';
import type { Kubernetes } from '../support/servers/kubernetes.ts';
import { until } from '../support/until.ts';

/** A pod of the application that has left. */
export interface Departure {
  readonly pod: string;
  /** From the deletion to the end of the pod, in seconds. */
  readonly seconds: number;
  /** The result in its trace; absent by hand, without a trace. */
  readonly trace?: Told;
}

interface Told {
  /** `missing` while there is no trace. */
  readonly result: string;
  readonly isLossless: boolean;
  readonly problems: readonly string[];
}

/** Longest wait for the traces of pods that have left, in milliseconds. */
const TRACES_MS = 10_000;

/** Follows the pods of the application. */
export class Departures {
  /** When a pod was deleted, in milliseconds since the epoch. */
  readonly #deleted = new Map<string, number>();
  readonly #present = new Set<string>();
  readonly #over: Departure[] = [];
  readonly #stop = new AbortController();

  constructor(kubernetes: Kubernetes) {
    kubernetes.watch<Pod>(`${pathOf('Pod')}?labelSelector=app%3Dorders`, this.#see, this.#stop.signal);
  }

  /** Whether every pod that was seen has left. */
  get isEmpty(): boolean {
    return this.#present.size === 0;
  }

  /** Returns the departures that are over, and begins anew. */
  take(): readonly Departure[] {
    return this.#over.splice(0);
  }

  /** The same, with the trace of each from a collector. */
  async told(queryUrl: string): Promise<readonly Departure[]> {
    const departures = this.take();
    const jaeger = new JaegerClient(new URL(queryUrl));
    let verdicts = new Map<string, Verdict>();
    const read = async (): Promise<boolean> => {
      const traces = await jaeger.search({ service: 'orders', operation: spanName('offline'), limit: 1_000 });
      // The id of an instance begins with its host name, the name of its pod.
      verdicts = new Map(
        traces.map((trace) => assess(trace)).map((verdict) => [verdict.instanceId.split(':')[0] ?? '', verdict]),
      );
      return departures.every(({ pod }) => verdicts.get(pod)?.whole);
    };
    await until(read, TRACES_MS).catch(() => {});
    return departures.map((departure) => {
      const verdict = verdicts.get(departure.pod);
      const { problems = [], result = 'missing' } = verdict ?? {};
      const trace = { result, problems, isLossless: verdict !== undefined && isLossless(verdict) };
      return { ...departure, trace };
    });
  }

  close(): void {
    this.#stop.abort();
  }

  readonly #see = ({ metadata }: Pod, type: string): void => {
    const { deletionTimestamp, name } = metadata;
    if (type === 'DELETED') this.#present.delete(name);
    else this.#present.add(name);
    const deletedAt = this.#deleted.get(name);
    if (type === 'DELETED' && deletedAt !== undefined)
      this.#over.push({ pod: name, seconds: (Date.now() - deletedAt) / 1_000 });
    else if (deletionTimestamp !== undefined && deletedAt === undefined) this.#deleted.set(name, Date.now());
  };
}
