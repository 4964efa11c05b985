import { type Caller, type Result, reasonsOf, type Shutdowns, shutDown } from './grpc-shutdowns.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

/** A run of the plugin, and the ways by hand beside it. */
interface Cell extends Omit<Shutdowns, 'way' | 'by'> {
  readonly what: string;
  readonly by: Shutdowns['by'];
  readonly byHand: readonly string[];
  /** Most failed calls per shutdown; undefined: not more than by hand. */
  readonly goal?: number;
  /** Longest median from SIGTERM to the exit, in milliseconds. */
  readonly goalStopMs?: number;
}

const NEAR_MS = 10;

const LIST: Cell = {
  what: 'a list',
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

const overOne = (perSecond: number, isSecure: boolean): Cell => ({
  what: `one address${isSecure ? ', TLS' : ''}`,
  framework: 'connect',
  by: 'one',
  byHand: ['close'],
  times: 20,
  delayMs: NEAR_MS,
  isSecure,
  ...(!isSecure && { goal: 0.05 }),
  callers: [{ client: 'connect-node', method: 'say', ms: 5, perSecond }],
});

const ONCE: Caller = { client: 'grpc-js', method: 'say', ms: 5, perSecond: 500, isTriedOnce: true };

const byName = (what: string, more: Partial<Cell>): Cell => ({
  what,
  framework: 'grpc-js',
  by: 'name',
  byHand: ['tryShutdown'],
  times: 30,
  delayMs: NEAR_MS,
  goal: 0,
  callers: [ONCE],
  ...more,
});

const CELLS = {
  list: [LIST],
  address: [overOne(100, false), overOne(500, false), overOne(100, true)],
  name: [
    byName('by name', { goalStopMs: 150 }),
    byName('by name', { delayMs: 50 }),
    byName('by name, TLS', { isSecure: true }),
    byName('by name, restarts 0.5 s apart', { times: 16, apartMs: 500, callers: [{ ...ONCE, perSecond: 100 }] }),
  ],
};

/** All that a run by hand cannot do is to find a service by its name: then it has the list. */
async function rowsOf(cell: Cell): Promise<readonly Row[]> {
  const run = async (way: string): Promise<readonly [string, Result]> => {
    const by = cell.by === 'name' && way !== 'plugin' ? 'list' : cell.by;
    return [way, await shutDown({ ...cell, by, way })];
  };
  const results: (readonly [string, Result])[] = [];
  for (const way of ['plugin', ...cell.byHand]) results.push(await run(way));
  return cell.callers.flatMap((caller, n) => {
    const failedOf = ([, { counts }]: readonly [string, Result]): number => counts[n]?.failed.length ?? Number.NaN;
    const byHand = Math.min(...results.slice(1).map(failedOf));
    return results.map((result): Row => {
      const [way, { counts, stopMs }] = result;
      const { failed = [], sent = 0 } = counts[n] ?? {};
      const stop = quantile(stopMs, 0.5);
      const why = failed.length > 0 ? `: ${reasonsOf(failed)}` : '';
      const { goal, goalStopMs, times } = cell;
      const goals = [
        goal === undefined
          ? reached(failed.length <= byHand, 'not more than by hand')
          : reached(failed.length <= goal * times, goal === 0 ? '0' : `≤ ${goal}`),
        ...(goalStopMs === undefined ? [] : [reached(stop <= goalStopMs, `stop ≤ ${ms(goalStopMs)}`)]),
      ];
      return {
        what: `${way}; ${nameOf(cell, caller)}`,
        measured: `${(failed.length / times).toFixed(2)} failed per shutdown (${failed.length} of ${sent} calls, ${times} shutdowns${why}); stop ${ms(stop)}`,
        against: way === 'plugin' ? goals.join('; ') : '',
      };
    });
  });
}

function nameOf({ delayMs, what }: Cell, { client, isTriedOnce, method, ms: each, perSecond }: Caller): string {
  const call = method === 'say' ? `unary ${each} ms` : `streams of ${each} ms`;
  return `${client}${isTriedOnce ? ' without retries' : ''}, ${what}, ${call}, ${perSecond}/s, ${delayMs} ms`;
}

async function all(cells: readonly Cell[]): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const cell of cells) rows.push(...(await rowsOf(cell)));
  return rows;
}

const HOW = `Two instances behind TCP proxies that add the named distance each way are restarted in turn by SIGTERM, each at its old address, under an open loop of calls of one client process, which is told of nothing. With the plugin, or by hand as the documentation of the framework shows (\`tryShutdown\`, \`forceShutdown\` of grpc-js, \`close\` of \`node:http2\`).`;

export const grpcList: Benchmark = {
  title: 'gRPC calls of clients without the plugin',
  how: `${HOW} Each client has the list of both addresses and takes them in turn; all clients of a way call the same instances. \`LOSSLESS_HOLD_MS=1500\`.`,
  run: () => all(CELLS.list),
};

export const grpcAddress: Benchmark = {
  title: 'gRPC calls of clients without the plugin to one address',
  how: `${HOW} What is in front gives new connections to the instance that stays. connect-node never tries a call twice. \`LOSSLESS_HOLD_MS=1500\`.`,
  run: () => all(CELLS.address),
};

export const grpcName: Benchmark = {
  title: 'gRPC calls by name',
  how: `${HOW} The client has the plugin too and calls \`lossless:///echo\`; by hand it has the list of both addresses. \`grpc.enable_retries: 0\`.`,
  run: () => all(CELLS.name),
};
