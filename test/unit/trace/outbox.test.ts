import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { Outbox, type OutboxOptions } from '../../../src/trace/outbox.ts';
import type { FinishedSpan } from '../../../src/trace/sdk.ts';
import { Spool } from '../../../src/trace/spool.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lossless-outbox-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** An outbox whose spans are their names. */
function outbox(send: OutboxOptions['send']) {
  const said: string[] = [];
  const log: OutboxOptions['log'] = (_, message) => said.push(message);
  const box = new Outbox({
    clock: systemClock,
    log,
    spool: new Spool(directory, systemClock, log),
    serialize: (spans) => JSON.stringify({ resourceSpans: spans }),
    send,
  });
  return { box, said, put: (name: string) => box.put(name as unknown as FinishedSpan) };
}

/** Names of the spans in the spool. */
function spooled(): readonly string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')).resourceSpans)
    .sort();
}

test('spans that the collector rejects for ever are counted as lost, and it is said why', async () => {
  const { box, put, said } = outbox(async () => ({ rejected: 1, reason: 'too old' }));
  for (const name of ['a', 'b', 'c']) put(name);
  await box.close(1_000);
  expect(box.delivery).toEqual({ exported: 2, spooled: 0, lost: 1 });
  expect(said).toEqual(['the collector took 2 of 3 spans: too old']);
  expect(spooled()).toEqual([]);
});
