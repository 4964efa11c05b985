import { type Caller, type Result, reasonsOf, type Shutdowns, shutDown } from './grpc-shutdowns.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

/** A run of the plugin, and the ways by hand to compare. */
interface Cell extends Omit<Shutdowns, 'way'> {
  readonly byHand: readonly string[];
  /** Most failed calls per shutdown. Default: not more than by hand. */
  readonly goal?: number;
  /** Longest median from SIGTERM to the exit, in milliseconds. Default: any. */
  readonly goalStopMs?: number;
}

const NEAR_MS = 10;
const FAR_MS = 50;

const LIST: Cell = {
  framework: 'grpc-js',
  by: 'list',
  byHand: ['tryShutdown', 'forceShutdown'],
  times: 16,
  delayMs: NEAR_MS,
  goal: 0,
  callers: (['grpc-js', 'grpc-go'] as const).flatMap((client): readonly Caller[] => [
    { client, method: 'say', ms: 300, perSecond: 50 },
    { client, method: 'repeat', ms: 1_000, perSecond: 20 },
  ]),
};

const oneAddress = (perSecond: number, clients: number, more: Partial<Cell>): Cell => ({
  framework: 'connect',
  by: 'one',
  byHand: ['close'],
  times: 16,
  delayMs: NEAR_MS,
  callers: [{ client: 'connect-node', method: 'say', ms: 5, perSecond, clients }],
  ...more,
});

const byName = (perSecond: number, more: Partial<Cell> = {}): Cell => ({
  framework: 'grpc-js',
  by: 'name',
  byHand: ['tryShutdown'],
  times: 30,
  delayMs: NEAR_MS,
  goal: 0,
  callers: [{ client: 'grpc-js', method: 'say', ms: 5, perSecond, isTriedOnce: true }],
  ...more,
});

const BY: Readonly<Record<Shutdowns['by'], string>> = { list: 'a list', name: 'by name', one: 'one address' };

function nameOf(run: Shutdowns, { client, isTriedOnce, method, ms: length, perSecond }: Caller): string {
  return [
    run.way,
    isTriedOnce ? `${client} without retries` : client,
    BY[run.by],
    ...(run.isSecure ? ['TLS'] : []),
    ...(run.apartMs === undefined ? [] : [`restarts ${run.apartMs} ms apart`]),
    method === 'say' ? `unary ${length} ms` : `streams of ${length} ms`,
    `${perSecond}/s`,
    `${run.delayMs} ms`,
  ].join(', ');
}

function rowOf(run: Shutdowns, { begun, counts, stopMs }: Result, n: number, against: string): Row {
  const [caller, { failed, sent } = NONE] = [run.callers[n] as Caller, counts[n]];
  const { clients = 1 } = caller;
  // Only for a client that never retries.
  const unsent = run.by === 'one' && begun !== undefined ? `, ${sent - begun} never sent by the client` : '';
  const why = failed.length > 0 ? `: ${reasonsOf(failed)}${unsent}` : '';
  return {
    what: nameOf(run, caller),
    measured: `${(failed.length / run.times / clients).toFixed(2)} failed per shutdown (${failed.length} of ${sent} calls, ${run.times} shutdowns${clients > 1 ? ` under ${clients} clients each` : ''}${why}); stop ${ms(quantile(stopMs, 0.5))}`,
    against,
  };
}

const NONE = { failed: [], sent: 0 };

/** Runs with the plugin, then by hand, where a service has no name, so the client has the list. */
async function rowsOf({ byHand, goal, goalStopMs, ...cell }: Cell): Promise<readonly Row[]> {
  const run = { ...cell, way: 'plugin' };
  const result = await shutDown(run);
  const hands: (readonly [Shutdowns, Result])[] = [];
  for (const way of byHand) {
    const hand: Shutdowns = { ...cell, way, by: cell.by === 'name' ? 'list' : cell.by };
    hands.push([hand, await shutDown(hand)]);
  }
  return cell.callers.flatMap(({ clients = 1 }, n) => {
    const failedOf = ({ counts }: Result): number => counts[n]?.failed.length ?? 0;
    const most = goal === undefined ? Math.min(...hands.map(([, hand]) => failedOf(hand))) : goal * run.times * clients;
    const goals = [
      reached(failedOf(result) <= most, goal === undefined ? 'not more than by hand' : `≤ ${goal}`),
      ...(goalStopMs === undefined
        ? []
        : [reached(quantile(result.stopMs, 0.5) <= goalStopMs, `stop ≤ ${ms(goalStopMs)}`)]),
    ];
    return [rowOf(run, result, n, goals.join('; ')), ...hands.map(([hand, counted]) => rowOf(hand, counted, n, ''))];
  });
}

function benchmark(title: string, how: string, cells: readonly Cell[]): Benchmark {
  return {
    title,
    how: `Two instances run behind TCP proxies that add the named distance each way. The benchmark restarts them in turn by SIGTERM, each at its old address, while client processes call in an open loop. The instances leave with the plugin, or by hand as the framework documents it: \`tryShutdown\` and \`forceShutdown\` of grpc-js, \`close\` of \`node:http2\`. ${how}`,
    async run(only) {
      const named = (run: Shutdowns): boolean => run.callers.some((caller) => nameOf(run, caller).includes(only));
      const rows: Row[] = [];
      for (const cell of cells) if (named({ ...cell, way: 'plugin' })) rows.push(...(await rowsOf(cell)));
      return rows;
    },
  };
}

const UNTOLD = 'Only the servers have the plugin, with `LOSSLESS_HOLD_MS=1500`.';

export const grpcList = benchmark(
  'gRPC calls of clients without the plugin',
  `${UNTOLD} Each client has the list of both addresses. All clients call the same instances during one run.`,
  [LIST],
);

export const grpcAddress = benchmark(
  'gRPC calls of clients without the plugin to one address',
  `${UNTOLD} A balancer in front sends new connections to the instance that stays. connect-node never retries a call.`,
  [
    oneAddress(100, 4, { goal: 0.05 }),
    oneAddress(500, 1, { goal: 0.05, times: 24 }),
    oneAddress(100, 4, { isSecure: true }),
  ],
);

export const grpcName = benchmark(
  'gRPC calls by name',
  'A client with the plugin calls `lossless:///echo`; a client without the plugin has the list of both addresses.',
  [
    byName(500, { goalStopMs: 150 }),
    byName(500, { delayMs: FAR_MS }),
    byName(500, { isSecure: true }),
    byName(100, { times: 16, apartMs: 500 }),
  ],
);
