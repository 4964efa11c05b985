/**
 * `npm run kubernetes -- [--only TEXT] [--times 1] [--sync 1000] [--json]`: a cluster on this machine, in which an application is
 * updated, scaled down, evicted and drained under load; prints what its callers lost, with the plugin and by hand. It takes root.
 * Exit code 1 when the plugin lost a request or a shutdown was not lossless.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { clusterMissing } from '../support/kubernetes/missing.ts';
import { onControlPlane } from '../support/kubernetes/network.ts';
import { EVENT_NAMES, type EventName } from './events.ts';
import { Stage } from './play.ts';
import { isLossless, lineOf, TITLE } from './report.ts';
import { hasPlugin, SETS, type SetName } from './sets.ts';

const { values } = parseArgs({
  options: {
    /** Plays only pairs `set, event` that contain this text. */
    only: { type: 'string', default: '' },
    /** How often each event is played. */
    times: { type: 'string', default: '1' },
    /** Least time between two changes of the rules by a kube-proxy, in milliseconds; its own default is a second. */
    sync: { type: 'string', default: '1000' },
    /** Of a packet from node to node, one way, in milliseconds. */
    delay: { type: 'string', default: '5' },
    /** One line of JSON for each event instead of the table. */
    json: { type: 'boolean', default: false },
    /** Set for the process that runs as the control plane. */
    inside: { type: 'boolean', default: false },
  },
});

/** Runs this program once more, in its own namespaces. */
function outside(): number {
  const missing = clusterMissing();
  if (missing) {
    console.error(`skipped: ${missing}`);
    return 0;
  }
  const command = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url), '--inside'];
  return spawnSync('unshare', onControlPlane([...command, ...process.argv.slice(2)]), { stdio: 'inherit' }).status ?? 1;
}

function eventsOf(set: SetName): readonly EventName[] {
  const chosen = EVENT_NAMES.filter((event) => `${set}, ${event}`.includes(values.only));
  return Array.from({ length: Number(values.times) }, () => chosen).flat();
}

async function inside(): Promise<number> {
  const stage = await Stage.open({ delayMs: Number(values.delay), proxySyncMs: Number(values.sync) });
  try {
    let missed = 0;
    if (!values.json) console.log(TITLE);
    for (const set of SETS) {
      for await (const played of stage.play(set, eventsOf(set))) {
        if (hasPlugin(set) && !isLossless(played)) missed++;
        console.log(values.json ? JSON.stringify(played) : lineOf(played));
      }
    }
    return missed === 0 ? 0 : 1;
  } finally {
    await stage.close();
  }
}

process.exit(values.inside ? await inside() : outside());
