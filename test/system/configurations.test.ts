import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { alertmanagerProgram } from '../support/servers/alertmanager.ts';
import { serverMissing, serverProgram } from '../support/servers/built.ts';
import { prometheusProgram } from '../support/servers/prometheus.ts';

const missing = serverMissing('jaeger', 'collector', 'prometheus', 'alertmanager');
if (missing) console.warn(`skipped: ${missing}`);

const root = resolve(import.meta.dirname, '../..');
const jaeger = (...files: string[]) => validate('jaeger', files);
const otel = (...files: string[]) => validate('otel', files);

function validate(folder: string, files: readonly string[]): readonly string[] {
  return ['validate', ...files.flatMap((file) => ['--config', `collector/${folder}/${file}.yaml`])];
}

describe.skipIf(missing)('the servers find no fault in the configurations, without a variable set', () => {
  test.each([
    ['jaeger', jaeger('jaeger')],
    ['jaeger', jaeger('jaeger', 'badger')],
    ['jaeger', jaeger('jaeger', 'badger', 'kafka')],
    ['collector', otel('gateway')],
    ['collector', otel('agent')],
    ['collector', otel('gateway', 'kafka')],
  ])('%s %s', async (server, args) => {
    await expect(run(serverProgram(server), args)).resolves.not.toMatch(/error/i);
  });

  test.each([
    ['promtool', () => prometheusProgram('promtool'), ['check', 'config', 'collector/prometheus/prometheus.yml']],
    ['amtool', () => alertmanagerProgram('amtool'), ['check-config', 'collector/alertmanager/alertmanager.yml']],
  ])('%s', async (_, program, args) => {
    await expect(run(program(), args)).resolves.toContain('SUCCESS');
  });
});

/** The output of the program; rejects for another exit code than 0. */
async function run(program: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, args, { cwd: root, env: {} });
  return `${stdout}${stderr}`;
}
