/** A request that got no whole answer of 200. */
export interface Failure {
  /** When it failed, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** A code of the operating system, `status 502`, `closed` (before the answer), `cut` (inside it) or `timeout`. */
  readonly reason: string;
}

/** The counts of a load. */
export interface Counts {
  readonly sent: number;
  readonly ok: number;
  readonly failed: readonly Failure[];
}

/** A load that runs until its stop. */
export interface Load {
  /** Requests sent so far. */
  readonly sent: number;
  /** Sends nothing more; resolves with the counts when every answer has come. */
  stop(): Promise<Counts>;
}

/** Longest wait for an answer, in milliseconds. */
export const PATIENCE_MS = 6_000;

/** The number of clients, and the requests a second of each. */
export interface Rate {
  readonly clients: number;
  readonly perSecond: number;
}

/**
 * An open loop: each client sends on time, whether or not its answers have come. The clients' times are spread evenly.
 *
 * @param send sends one request of a client; resolves with the fault or undefined, and never rejects
 */
export function openLoop({ clients, perSecond }: Rate, send: (client: number) => Promise<string | undefined>): Load {
  const pending = new Set<Promise<void>>();
  const failed: Failure[] = [];
  const begun = performance.now();
  let sent = 0;
  let ok = 0;
  const one = async (client: number): Promise<void> => {
    const reason = await send(client);
    if (reason === undefined) ok++;
    else failed.push({ at: performance.timeOrigin + performance.now(), reason });
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - begun) / 1_000) * clients * perSecond;
    while (sent < due) {
      const sending = one(sent++ % clients);
      pending.add(sending);
      void sending.then(() => pending.delete(sending));
    }
  }, 2);
  return {
    get sent() {
      return sent;
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(pending);
      return { sent, ok, failed };
    },
  };
}

/** The same load, which calls `close` once it has stopped. */
export function closing(load: Load, close: () => void): Load {
  return {
    get sent() {
      return load.sent;
    },
    stop: async () => {
      const counts = await load.stop();
      close();
      return counts;
    },
  };
}

/** The counts of several loads as one. */
export function sumOf(all: readonly Counts[]): Counts {
  return {
    sent: all.reduce((sum, { sent }) => sum + sent, 0),
    ok: all.reduce((sum, { ok }) => sum + ok, 0),
    failed: all.flatMap(({ failed }) => failed).sort((one, other) => one.at - other.at),
  };
}
