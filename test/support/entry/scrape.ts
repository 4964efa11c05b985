import { request } from 'node:http';
import { type Load, openLoop } from './load.ts';

export interface ScrapeOptions {
  readonly hosts: readonly string[];
  readonly port: number;
  /** Default: none. */
  readonly agent?: string;
  /** Requests a second to each host. */
  readonly perSecond: number;
}

/** Asks every host for its health, each time on a new connection. A host that does not listen counts as no failure. */
export function scrape({ agent, hosts, perSecond, port }: ScrapeOptions): Load {
  const headers = agent === undefined ? {} : { 'user-agent': agent };
  return openLoop({ clients: hosts.length, perSecond }, (client) => {
    return new Promise((resolve) => {
      const options = { host: hosts[client], port, path: '/health', agent: false, headers };
      const asked = request(options, (response) => response.resume().on('close', () => resolve(undefined)));
      asked.on('error', () => resolve(undefined)).end();
    });
  });
}
