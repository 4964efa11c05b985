import { writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { join } from 'node:path';
import { systemClock } from '../src/lifecycle/clock.ts';
import { openRegistry } from '../src/registry/open.ts';
import { anInstance } from '../test/support/an-instance.ts';
import { DelayProxy } from '../test/support/fakes/delay-proxy.ts';
import { listening } from '../test/support/listening.ts';
import { Child } from '../test/support/process/child.ts';
import { registryIn } from '../test/support/process/plugin-env.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { certificate } from '../test/support/tls/certificate.ts';
import { pause, until } from '../test/support/until.ts';
import { pluginEnvironment } from './fleet.ts';
import { type Benchmark, ms, quantile, type Row } from './row.ts';

const DELAY_MS = 10;
const STARTS = 15;

const CALLER = new URL('first-caller.ts', import.meta.url);

interface Taken {
  readonly first: number;
  readonly second: number;
}

/** The first two requests of fresh processes to one provider that is `DELAY_MS` away. */
async function firstRequests(scheme: 'http' | 'https', preconnect: string): Promise<readonly Taken[]> {
  const folder = new ScratchFolder();
  const registry = await openRegistry(new URL(registryIn(folder.path)), { clock: systemClock, log: () => {} });
  const { key, cert } = await certificate();
  const authorities = join(folder.path, 'cert.pem');
  writeFileSync(authorities, cert);
  const server =
    scheme === 'http'
      ? createHttp((_, response) => response.end('ok'))
      : createHttps({ key, cert }, (_, response) => response.end('ok'));
  const proxy = await DelayProxy.start(DELAY_MS);
  proxy.target = await listening(server);
  await registry.register(anInstance({ service: 'provider', port: proxy.port, scheme }));
  const taken: Taken[] = [];
  try {
    for (let n = 0; n < STARTS; n++) {
      const env = pluginEnvironment('caller', folder.path, {
        LOSSLESS_LOG_LEVEL: 'silent',
        LOSSLESS_PRECONNECT: preconnect,
        NODE_EXTRA_CA_CERTS: authorities,
      });
      const child = Child.node(CALLER, { args: [`${scheme}://provider/`], env, ipc: true });
      await until(async () => (await registry.instances('caller')).length > 0);
      await pause(100);
      const told = child.receives<Taken>();
      child.send('go');
      taken.push(await told);
      await child.destroy();
    }
  } finally {
    proxy.close();
    server.close();
    await registry.close();
    folder.remove();
  }
  return taken;
}

export const preconnect: Benchmark = {
  title: 'The first request of a new instance',
  how: `A fresh process calls a newly registered provider, ${DELAY_MS} ms away each way, with \`fetch\`, ${STARTS} times. The table gives the median of the first request with a connection that the plugin built ahead, of the first request without such a connection, and of the second request, which always has one. The process first calls another server, so that the client is loaded.`,
  async run() {
    const rows: Row[] = [];
    for (const scheme of ['http', 'https'] as const) {
      const [ahead, without] = [await firstRequests(scheme, 'provider'), await firstRequests(scheme, 'none')];
      const median = (of: readonly Taken[], which: keyof Taken): number =>
        quantile(
          of.map((each) => each[which]),
          0.5,
        );
      const [first, plain, second] = [median(ahead, 'first'), median(without, 'first'), median(ahead, 'second')];
      rows.push({
        what: scheme,
        measured: `first ${ms(first)}, without ${ms(plain)}; second ${ms(second)}`,
        against: `ratio ${(first / plain).toFixed(2)}`,
      });
    }
    return rows;
  },
};
