import { rollUnderLoad, type Traffic } from './fleet.ts';
import { named, PEERS } from './peers.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

const SHUTDOWNS = 3;

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
  how: `Two providers behind a proxy that adds 10 ms each way; one leaves by SIGTERM, ${SHUTDOWNS} times. POSTs without retries over keep-alive connections. Peers deregister before anything else, \`kill\` not at all; their consumers see the new list 0 to 3 s later. Moleculer calls over its own transporter, by its own registry, without the proxy, and waits for its calls (\`tracking\`). With the plugin every consumer is a process of its own. All servers keep idle connections for 72 s, so that none expires during a run; \`server.close\` alone waits for that.`,
  async run() {
    const rows: Row[] = [];
    for (const [fleet, peers] of FLEETS)
      for (const peer of peers) {
        const { failed, offlineMs, reasons, sent } = await rollUnderLoad(peer, fleet, SHUTDOWNS);
        const perShutdown = failed / SHUTDOWNS;
        const why = Object.entries(reasons)
          .map(([reason, times]) => `${times} ${reason}`)
          .join(', ');
        rows.push({
          what: `${named(peer)}, ${fleet.consumers} × ${fleet.rate}/s`,
          measured: `${perShutdown.toFixed(1)} failed per shutdown (${failed} of ${sent}${why && `: ${why}`}); offline ${ms(quantile(offlineMs, 0.5))}`,
          against:
            peer === 'plugin'
              ? `${reached(failed === 0, '0')}; ${reached(quantile(offlineMs, 1) <= 500, 'offline ≤ 500 ms')}`
              : '',
        });
      }
    return rows;
  },
};
