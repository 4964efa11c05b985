/**
 * Nodes of Moleculer with its own transporter and its own registry. They find each other by files in a folder:
 * `moleculer.ts provider <folder>`, or `moleculer.ts consumers <folder> <count> <rate>`.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceBroker } from 'moleculer';
import { pause } from '../test/support/until.ts';
import { WORK_MS } from './peers.ts';

const [role = '', folder = '', count = '1', rate = '1'] = process.argv.slice(2);

/** The part of a broker that says where it is, and whom it can call. */
interface Located {
  readonly registry: {
    readonly nodes: { readonly localNode: { hostname: string; readonly port: number } };
    readonly actions: { get(name: string): { count(): number } | undefined };
  };
}

/** A node that waits for its calls when it leaves, as the documentation of graceful shutdown asks for. */
function broker(name: string): ServiceBroker & Located {
  const urls = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  const made = new ServiceBroker({
    nodeID: `${name}-${process.pid}`,
    logger: false,
    tracking: { enabled: true },
    transporter: { type: 'TCP', options: { udpDiscovery: false, gossipPeriod: 1, urls: urls.join(',') } },
  }) as ServiceBroker & Located;
  made.registry.nodes.localNode.hostname = '127.0.0.1';
  return made;
}

async function provide(): Promise<void> {
  const node = broker('provider');
  node.createService({
    name: 'provider',
    actions: {
      async work({ params }: { params: unknown }) {
        await pause(WORK_MS);
        return params;
      },
    },
  });
  await node.start();
  const { hostname, port } = node.registry.nodes.localNode;
  writeFileSync(join(folder, node.nodeID), `${hostname}:${port}/${node.nodeID}`);
}

let sent = 0;
let failed = 0;
const reasons: Record<string, number> = {};

async function call(node: ServiceBroker): Promise<void> {
  const n = ++sent;
  try {
    const answer: { readonly n?: unknown } = await node.call('provider.work', { n });
    if (answer.n !== n) throw new Error('another answer');
  } catch (thrown) {
    failed++;
    const { name } = thrown as Error;
    reasons[name] = (reasons[name] ?? 0) + 1;
  }
}

async function consume(): Promise<void> {
  const nodes = Array.from({ length: Number(count) }, (_, n) => broker(`consumer-${n}`));
  await Promise.all(nodes.map((node) => node.start()));
  await Promise.all(nodes.map((node) => node.waitForServices('provider')));
  for (const node of nodes)
    setTimeout(() => setInterval(() => void call(node), 1_000 / Number(rate)), Math.random() * (1_000 / Number(rate)));
  const found = (node: Located): number => node.registry.actions.get('provider.work')?.count() ?? 0;
  process.on('message', () => {
    process.send?.({ sent, failed, reasons, stops: [], providers: Math.min(...nodes.map(found)) });
  });
}

mkdirSync(folder, { recursive: true });
process.on('disconnect', () => process.exit());
await (role === 'provider' ? provide() : consume());
process.send?.({ started: true });
