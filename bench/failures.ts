import { rollUnderLoad, type Traffic } from './fleet.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

/** Named ways to leave; the plugin first. */
const PEERS = [
  'plugin',
  'kill',
  'server.close',
  'lightship',
  'http-terminator',
  'terminus',
  'close-with-grace',
  'fastify',
] as const;

const SHUTDOWNS = 3;

/** Two fleets of the same kind: few busy consumers, many quiet ones. Sleeping is measured once: it takes half a minute each time. */
const FLEETS: readonly (readonly [traffic: Traffic, peers: readonly string[]])[] = [
  [{ consumers: 20, rate: 25, delayMs: 10 }, [...PEERS, 'sleep 30']],
  [{ consumers: 50, rate: 1, delayMs: 10 }, PEERS],
];

export const failures: Benchmark = {
  title: 'Failed POSTs per shutdown',
  how: `Two providers behind a proxy that adds 10 ms each way; one leaves by SIGTERM, ${SHUTDOWNS} times. POSTs without retries over keep-alive connections. Peers deregister before anything else, \`kill\` not at all; their consumers see the new list 0 to 3 s later. With the plugin every consumer is a process of its own. All servers keep idle connections for 72 s, so that none expires during a run; \`server.close\` alone waits for that.`,
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
          what: `${peer}, ${fleet.consumers} × ${fleet.rate}/s`,
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
