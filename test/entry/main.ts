/**
 * `npm run entry -- [--shutdowns 2] [--only TEXT] [--without VARIABLE] [--json]`: plays scenarios of callers without the plugin in a
 * network of its own, with a round trip of 10 ms, and prints the loss and the time of each shutdown. It needs root. Exit code 1
 * when a scenario missed its goal.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addHosts, inNetwork, networkMissing } from '../support/entry/network.ts';
import { play } from './play.ts';
import { isReached, lineOf, TITLE } from './report.ts';
import { NETWORK } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';

/** Delay of one way, in milliseconds. */
const DELAY_MS = 5;

const { values } = parseArgs({
  options: {
    /** Shutdowns of each scenario, one host after the other. */
    shutdowns: { type: 'string', default: '2' },
    /** Plays only scenarios whose name contains this. */
    only: { type: 'string', default: '' },
    /** Leaves out this variable of the applications, to see the effect. */
    without: { type: 'string', default: '' },
    /** Prints one line of JSON for each scenario instead of the table. */
    json: { type: 'boolean', default: false },
    /** Set for the process that runs in the network. */
    inside: { type: 'boolean', default: false },
  },
});

/** Runs this program once more, in its own network namespace. */
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
