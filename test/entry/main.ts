/**
 * `npm run entry -- [--shutdowns 2] [--only TEXT] [--without VARIABLE] [--json]`: plays scenarios of callers without the plugin in a
 * network of its own, with a round trip of 10 ms, and prints what each shutdown lost and took. It takes root. Exit code 1 when a
 * scenario missed its goal.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addHosts, inNetwork, networkMissing } from '../support/entry/network.ts';
import { play } from './play.ts';
import { isReached, lineOf, TITLE } from './report.ts';
import { NETWORK } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';

/** One way, in milliseconds. */
const DELAY_MS = 5;

const { values } = parseArgs({
  options: {
    /** Of each scenario, one host after the other. */
    shutdowns: { type: 'string', default: '2' },
    /** Those whose name has this in it. */
    only: { type: 'string', default: '' },
    /** A variable of the applications that is not set: what happens then. */
    without: { type: 'string', default: '' },
    /** One line of JSON for each scenario instead of the table. */
    json: { type: 'boolean', default: false },
    /** Set for the process that runs in the network. */
    inside: { type: 'boolean', default: false },
  },
});

/** Runs this program once more, in a network of its own. */
function outside(): number {
  const missing = networkMissing();
  if (missing) {
    console.error(`skipped: ${missing}`);
    return 0;
  }
  const command = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url), '--inside'];
  return spawnSync('unshare', inNetwork([...command, ...process.argv.slice(2)]), { stdio: 'inherit' }).status ?? 1;
}

async function inside(): Promise<number> {
  const delay = await addHosts(NETWORK, DELAY_MS);
  let missed = 0;
  if (!values.json) console.log(TITLE);
  for (const scenario of SCENARIOS.filter(({ name }) => name.includes(values.only))) {
    const { [values.without]: _, ...env } = scenario.env ?? {};
    const played = await play({ ...scenario, env }, Number(values.shutdowns));
    if (!isReached(scenario, played)) missed++;
    console.log(values.json ? JSON.stringify({ scenario, played }) : lineOf(scenario, played));
  }
  await delay.destroy();
  return missed === 0 ? 0 : 1;
}

process.exit(values.inside ? await inside() : outside());
