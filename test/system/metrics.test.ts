import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { METRICS } from '../../src/metrics/table.ts';
import { controlPortOf } from '../support/process/announced.ts';
import { useWorld } from '../support/process/world.ts';
import { serverMissing } from '../support/servers/built.ts';
import { prometheusProgram } from '../support/servers/prometheus.ts';

const missing = serverMissing('prometheus');
if (missing) console.warn(`skipped: ${missing}`);

const world = useWorld();

describe.skipIf(missing)('promtool on the metrics of an instance', () => {
  test('has no remark, and every metric of the table is there', async () => {
    await world().service('provider');
    const caller = await world().caller('http://provider/echo', 20);
    const port = await controlPortOf(caller.child);
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const { status, stdout, stderr } = spawnSync(prometheusProgram('promtool'), ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    expect(`${stdout}${stderr}`).toBe('');
    expect(status).toBe(0);
    for (const name of Object.keys(METRICS)) expect(text).toContain(`# HELP ${name} `);
  });
});
