import { rollUnderLoad, type Traffic } from './fleet.ts';
import { named, PEERS } from './peers.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

const SHUTDOWNS = 3;

/** Fleets that run at the same time. */
const AT_ONCE = 3;

/** Few busy consumers, and many quiet ones, with which only some peers do otherwise. */
const FLEETS: readonly (readonly [traffic: Traffic, peers: readonly string[]])[] = [
  [{ consumers: 20, rate: 25, delayMs: 10 }, Object.keys(PEERS)],
  [
    { consumers: 50, rate: 1, delayMs: 10 },
    ['plugin', 'kill', 'server.close', 'stoppable', 'http-terminator', 'lightship', 'moleculer'],
  ],
];

export const failures: Benchmark = {
  title: 'Failed POSTs per shutdown',
  how: `Two providers run behind a proxy that adds 10 ms each way; one of them leaves by SIGTERM, ${SHUTDOWNS} times. Consumers send POSTs without retries over keep-alive connections. Each peer deregisters first, except \`kill\`, which never deregisters; its consumers see the new list 0 to 3 s later. Moleculer calls over its own transporter, by its own registry, without the proxy, and waits for its calls (\`tracking\`). With the plugin every consumer is a process of its own. All servers keep idle connections for 72 s, so that none expires during a run; a peer that only closes the server waits for that time. The plugin runs alone; the others run ${AT_ONCE} at a time.`,
  async run() {
    const rows: Row[] = [];
    for (const [fleet, [plugin = '', ...peers]] of FLEETS) {
      // The plugin runs alone, because the benchmark also times it.
      rows.push(await measure(plugin, fleet));
      const waiting = peers.entries();
      const measured: Row[] = [];
      const inTurn = async (): Promise<void> => {
        for (const [n, peer] of waiting) measured[n] = await measure(peer, fleet);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, inTurn));
      rows.push(...measured);
    }
    return rows;
  },
};

async function measure(peer: string, fleet: Traffic): Promise<Row> {
  const { failed, offlineMs, reasons, sent } = await rollUnderLoad(peer, fleet, SHUTDOWNS);
  const why = Object.entries(reasons)
    .map(([reason, times]) => `${times} ${reason}`)
    .join(', ');
  return {
    what: `${named(peer)}, ${fleet.consumers} × ${fleet.rate}/s`,
    measured: `${(failed / SHUTDOWNS).toFixed(1)} failed per shutdown (${failed} of ${sent}${why && `: ${why}`}); offline ${ms(quantile(offlineMs, 0.5))}`,
    against:
      peer === 'plugin'
        ? `${reached(failed === 0, '0')}; ${reached(quantile(offlineMs, 1) <= 500, 'offline ≤ 500 ms')}`
        : '',
  };
}
